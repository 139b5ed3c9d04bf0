"""The two programs that are compared on loopback: our runtime as in a pod, and plain agno."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import yaml

from bench.agent import AGENT, MESSAGE, PATH, agent_deployment
from bench.connection import question
from bench.load import Target
from bench.process import Program
from bench.schemas import Schema
from local.postgres import free_port

SECRET = "made-up-for-the-bench-0123456789-0123456789"
AUDIENCE = "6f1c0f5e-7f0c-4f0e-8f6e-2d1b1d3b7a11"
ISSUER = "agentos.hyvve.io"
WORKSPACE = "bench"
USER = "alice"


def ours(folder: Path, schema: Schema, model_url: str, redis_url: str = "") -> Program:
    """`agentos-runtime serve` with the environment of a pod; tokens are checked. With a Redis it has events."""
    spec = folder / "agent-deployment.yaml"
    spec.write_text(yaml.safe_dump(agent_deployment(AGENT, None, model_url)))
    key = folder / "secrets/openai/api-key"
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text("not-a-real-key")
    port = free_port()
    environ = {
        "AGENTOS_WORKSPACE": WORKSPACE,
        "AGENTOS_DEPLOYMENT": AGENT,
        "AGENTOS_SPEC_FILE": str(spec),
        "AGENTOS_DATABASE_URL": schema.url(),
        "AGENTOS_DATABASE_SCHEMA": schema.name,
        "AGENTOS_JWT_VERIFICATION_SECRETS": SECRET,
        "AGENTOS_JWT_ISSUER": ISSUER,
        "AGENTOS_JWT_AUDIENCE": AUDIENCE,
        "AGENTOS_SECRETS_DIR": str(folder / "secrets"),
        "AGENTOS_TERMINATION_LOG": str(folder / "termination.log"),
        "HOME": str(folder),
        **({"AGENTOS_REDIS_URL": redis_url} if redis_url else {}),
    }
    arguments = ["agentos_runtime", "serve", "--host", "127.0.0.1", "--port", str(port)]
    return Program("ours", arguments, environ, port, "/readyz", folder / "ours.log")


def plain(folder: Path, schema: Schema, model_url: str) -> Program:
    """`bench.plain_agno` under uvicorn, which is what `AgentOS.serve` calls, without an access log as there."""
    port = free_port()
    environ = {
        "DATABASE_URL": schema.url("postgresql+psycopg"),
        "DATABASE_SCHEMA": schema.name,
        "MODEL_URL": model_url,
        "HOME": str(folder),
    }
    # Ours runs on asyncio's loop, and where the operator is installed too there is uvloop, which uvicorn prefers.
    arguments = [
        "uvicorn",
        "plain_agno:app",
        "--loop",
        "asyncio",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-access-log",
    ]
    return Program("plain", arguments, environ, port, "/health", folder / "plain.log", cwd=Path(__file__).parent)


def model(folder: Path) -> Program:
    """The scripted model that both talk to."""
    port = free_port()
    return Program("model", ["local.fakemodel", "--port", str(port)], {}, port, "/health", folder / "model.log")


def target(program: Program) -> Target:
    """The same question to either, of the same user: ours reads the name from the token, agno from the form."""
    form = {"message": MESSAGE, "stream": "false", "user_id": USER}
    return Target(program.port, question(PATH, form, token=token() if program.name == "ours" else ""))


def token() -> str:
    """As the workspace's issuer would sign it."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": USER,
        "iat": now,
        "exp": now + 3600,
        "workspace_id": WORKSPACE,
        "scopes": ["agents:run"],
    }
    return jwt.encode(claims, SECRET, algorithm="HS256")
