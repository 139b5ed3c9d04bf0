"""examples/own-image and examples/own-application: their Dockerfiles build as they stand, and what they make answers.

Started as the kubelet does it: another user, a root file system that cannot be written to, and what the contract of
docs/own-image.md gives.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from local import image_examples, images
from local.image_examples import EXAMPLES, GIVEN
from local.images import ImageArchive
from local.images_engine import Buildah
from local.postgres import free_port

SECRET = "the-workspace-secret-of-the-tests-0123456789"
POD = {
    "AGENTOS_WORKSPACE": "acme",
    "AGENTOS_DEPLOYMENT": "support",
    "AGENTOS_DATABASE_URL": "sqlite:////tmp/agentos.db",
    "AGENTOS_JWT_VERIFICATION_SECRETS": SECRET,
    "AGENTOS_JWT_AUDIENCE": "uid",
    "AGENTOS_JWT_ISSUER": "agentos.hyvve.io",
    "AGENTOS_SPEC_FILE": f"{GIVEN}/agent-deployment.yaml",
    "AGENTOS_SECRETS_DIR": f"{GIVEN}/secrets",
    "AGENTOS_TERMINATION_LOG": "/tmp/termination-log",
}


@pytest.fixture(scope="module")
def runtime() -> ImageArchive:
    """The image of this checkout."""
    return images.ensure(["agentos-runtime"], "buildah")["agentos-runtime"]


@pytest.fixture(scope="module")
def builder(runtime: ImageArchive) -> Iterator[Buildah]:
    """No other build may clear away the containers of these tests."""
    with images.locked():
        yield (builder := image_examples.engine())
        builder.tidy()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the scripted model."""
    port = free_port()
    command = [sys.executable, "-m", "local.fakemodel", "--port", str(port)]
    with (tmp_path_factory.mktemp("model") / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def token() -> dict[str, str]:
    now = int(time.time())
    about = {"iss": "agentos.hyvve.io", "aud": "uid", "sub": "alice", "workspace_id": "acme", "scopes": ["agents:run"]}
    return {"Authorization": f"Bearer {jwt.encode({**about, 'iat': now, 'exp': now + 600}, SECRET, 'HS256')}"}


def answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Until it is ready; fails with what it said where it ends, or after three minutes."""
    deadline = time.monotonic() + 180
    while True:
        try:
            if httpx.get(f"{url}/readyz", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def test_the_runtime_with_tools_and_hooks_of_ones_own_answers(
    builder: Buildah, runtime: ImageArchive, model: str, tmp_path: Path
) -> None:
    ref = image_examples.build_own_image(builder, runtime)
    (given := tmp_path / "given").mkdir(mode=0o755)
    (given / "agent-deployment.yaml").write_bytes((EXAMPLES / "own-image/agent-deployment.yaml").read_bytes())
    (given / "secrets/openai").mkdir(parents=True)
    (given / "secrets/openai/api-key").write_text("not-a-real-key")
    port = free_port()
    environ = {**POD, "OPENAI_BASE_URL": f"{model}/v1"}
    log = tmp_path / "log"
    process = image_examples.start(builder, ref, given, ["serve", "--port", str(port)], environ, log)
    try:
        answers(process, url := f"http://127.0.0.1:{port}", log)
        with httpx.Client(base_url=url, headers=token(), timeout=60) as client:
            told = run(client, 'call order_status {"order": "1001"}')
            waits = run(client, 'call refund {"order": "1001", "amount": 5}')
            refused = run(client, "my card is 4111 1111 1111 1111")
        assert "shipped" in told["content"]
        assert waits["status"] == "PAUSED"
        assert refused["detail"] == "Refused by the hook answers.no_card_numbers: an answer holds no card numbers"
    finally:
        process.terminate()
        process.wait(60)


def run(client: httpx.Client, message: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/agents/support/runs", data={"message": message, "stream": "false"}).json()
    return answer


def test_an_application_of_its_own_answers(builder: Buildah, tmp_path: Path) -> None:
    ref = image_examples.build_own_application(builder)
    (given := tmp_path / "given").mkdir(mode=0o755)
    log = tmp_path / "log"
    process = image_examples.start(builder, ref, given, [], {**POD, "AGENTOS_PATH_PREFIX": ""}, log)
    try:
        answers(process, url := "http://127.0.0.1:7777", log)
        assert httpx.get(f"{url}/quote", headers=token()).json()["to"] == "alice"
        assert httpx.get(f"{url}/quote").status_code == 401
        assert owner(process.pid) == image_examples.USER
    finally:
        process.terminate()
        process.wait(60)
    assert "Application shutdown complete" in log.read_text()


def owner(pid: int) -> int:
    """Who runs a process."""
    return Path(f"/proc/{pid}").stat().st_uid
