"""Everything a runtime is told from outside, read in one place and passed down as one frozen object.

Built by the command line from an environment that is handed in. In a pod (AGENTOS_WORKSPACE is set) every
value comes from the operator and a missing one is an error; on a laptop each has a default, so that
`agentos-runtime serve -f support.yaml` needs nothing else.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.issuers import CONTROL_PLANE, GENERATED, Defaults, Issuer, parse_issuers
from agentos_spec import SecretRef

Environ = MutableMapping[str, str]

_LAPTOP_ORIGINS = "http://localhost:3000 https://os.agno.com"
"""A front end under development, and the hosted Control Plane."""
LONGEST_LIFETIME = 24 * 3600
"""Seconds that any token may be valid for."""


@dataclass(frozen=True)
class DatabaseSettings:
    """Where sessions and memories are kept."""

    url: str = field(repr=False)
    """libpq URI of the workspace's login, or `sqlite:///file` on a laptop. Never printed."""
    schema: str = ""
    """The workspace's own schema; empty for SQLite."""
    pool_size: int = 5
    """Connections kept open; as many again may be opened under load. Ten pods of a workspace at full load
    stay under PostgreSQL's default of 100."""
    statement_seconds: float = 10.0
    """After so long without an answer a connection is given up: a hung database must not hold requests."""
    connect_seconds: int = 5
    """How long opening a connection may take."""
    probe_seconds: float = 2.0
    """How long readiness waits for the database's answer."""
    events_of: str = ""
    """The deployment whose runs are noted in the outbox for the event stream; empty notes none."""

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a laptop's file rather than a PostgreSQL server."""
        return self.url.startswith("sqlite:")


@dataclass(frozen=True)
class AuthSettings:
    """Which tokens are accepted."""

    secrets: tuple[str, ...] = field(repr=False)
    """HS256 secrets of this workspace alone; all are accepted, the first one signs a development token."""
    audience: str = ""
    """The Workspace's UID: a token minted for another workspace has another one."""
    issuer: str = "agentos.hyvve.io"
    """Who must have issued the token."""
    leeway_seconds: int = 10
    """Clock skew that is forgiven."""
    max_lifetime_seconds: int = LONGEST_LIFETIME
    """A token that claims to live longer is refused, whoever signed it."""
    issuers: tuple[Issuer, ...] = ()
    """Who may sign, the holders of the secrets among them or not."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may call this runtime from a browser."""

    @property
    def generated(self) -> bool:
        """Whether tokens signed with one of the secrets are accepted."""
        return any(issuer.type == GENERATED for issuer in self.issuers)

    @property
    def control_plane(self) -> bool:
        """Whether a Control Plane may connect."""
        return any(issuer.type == CONTROL_PLANE for issuer in self.issuers)


@dataclass(frozen=True)
class TracingSettings:
    """That spans are sent; where to stands in the standard OTEL_* variables, which the SDK reads itself."""

    content: bool = False
    """Whether spans hold what was said to agents and models, and what they answered."""


@dataclass(frozen=True)
class RedisSettings:
    """Where events go, and what replicas share of their runs."""

    url: str = field(repr=False)
    """`redis://` or `rediss://` URL with its password. Never printed."""
    ca_file: Path | None = None
    """Authorities that a `rediss://` server's certificate is verified by; None trusts those of the image."""
    events_max_length: int = 10_000
    """About how many events the stream keeps, read or not."""
    timeout_seconds: float = 2.0
    """After so long without an answer Redis counts as away, and nobody waits for it until it answers again."""


@dataclass(frozen=True)
class Settings:
    """One process's settings."""

    workspace: str
    """Name of the Workspace; the claim `workspace_id` of every token must equal it."""
    deployment: str
    """Name of the AgentDeployment."""
    spec_file: Path
    """The AgentDeployment document."""
    database: DatabaseSettings
    auth: AuthSettings
    redis: RedisSettings | None = None
    """None without Redis: no events, and runs that only their own replica can cancel or resume."""
    secrets_dir: Path | None = None
    """Where referenced Secrets are mounted; None reads them from the environment (laptop)."""
    knowledge_dir: Path | None = None
    """Where ConfigMaps are mounted, each as a directory; None looks beside the document (laptop)."""
    host: str = "0.0.0.0"  # noqa: S104 - a pod listens on its own address; the laptop default is loopback
    port: int = 7777
    laptop: bool = False
    """Started without a cluster: a development token is printed."""
    heartbeat_seconds: float = 15.0
    """Silence after which a stream says `: ping`, below the idle timeout of any proxy on the way."""
    path_prefix: str = ""
    """Below which path of a shared host this deployment is served, such as `/acme/support`; empty for a host of
    its own."""
    tracing: TracingSettings | None = None
    """None sends no spans."""
    metrics_port: int | None = None
    """Where Prometheus reads metrics; None measures nothing."""
    shutdown_seconds: int = 30
    """How long streams may go on after SIGTERM."""

    @property
    def config_maps(self) -> Path:
        """The directory of ConfigMaps, each a directory of its keys."""
        return self.knowledge_dir or self.spec_file.parent

    @property
    def agent_os(self) -> str:
        """The AgentOS's stable id, unlike any other workspace's."""
        return agent_os_id(self.deployment, self.workspace)


def agent_os_id(deployment: str, workspace: str) -> str:
    """As in the deployment's own host; neither name holds `--`."""
    return f"{deployment}--{workspace}"


def settings_from(
    environ: Environ, *, spec_file: Path | None = None, host: str | None = None, port: int | None = None
) -> Settings:
    """Build the settings and take the secrets out of the environment: tools of an agent can read it."""
    laptop = not environ.get("AGENTOS_WORKSPACE")
    workspace = environ.get("AGENTOS_WORKSPACE") or "local"
    deployment = _value(environ, "AGENTOS_DEPLOYMENT", "local" if laptop else None)
    redis = _redis(environ)
    return Settings(
        workspace=workspace,
        deployment=deployment,
        spec_file=spec_file or Path(_value(environ, "AGENTOS_SPEC_FILE", None)),
        database=_database(environ, laptop=laptop, events_of=deployment if redis else ""),
        redis=redis,
        auth=_auth(environ, workspace, deployment, laptop=laptop),
        secrets_dir=_optional_path(environ, "AGENTOS_SECRETS_DIR"),
        knowledge_dir=_optional_path(environ, "AGENTOS_KNOWLEDGE_DIR"),
        host=host or ("127.0.0.1" if laptop else "0.0.0.0"),  # noqa: S104 - see Settings.host
        port=7777 if port is None else port,
        laptop=laptop,
        path_prefix=_path_prefix(environ),
        metrics_port=_metrics_port(environ),
        tracing=_tracing(environ),
    )


def _path_prefix(environ: Environ) -> str:
    prefix = environ.get("AGENTOS_PATH_PREFIX", "")
    if prefix and not re.fullmatch(r"(/[a-z0-9-]+)+", prefix):
        raise _invalid(f"AGENTOS_PATH_PREFIX {prefix!r} must look like /acme/support, without a slash at its end")
    return prefix


def _tracing(environ: Environ) -> TracingSettings | None:
    """On where a collector is named, off where OpenTelemetry's own switch says so."""
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not any(environ.get(name) for name in endpoints) or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if (protocol := environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf") != "http/protobuf":
        raise _invalid(
            f"OTEL_EXPORTER_OTLP_PROTOCOL {protocol!r} is not offered; send to the collector's http/protobuf"
        )
    return TracingSettings(content=environ.get("AGENTOS_TRACING_CONTENT") == "true")


def _metrics_port(environ: Environ) -> int | None:
    text = environ.get("AGENTOS_METRICS_PORT", "")
    if text and not (re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= 65535):
        raise _invalid(f"AGENTOS_METRICS_PORT {text!r} must be a port from 1 to 65535")
    return int(text) if text else None


def _redis(environ: Environ) -> RedisSettings | None:
    """Without options in the URL: redis-py would let them turn verification off."""
    url = environ.pop("AGENTOS_REDIS_URL", "")
    if not url:
        return None
    if not re.fullmatch(r"rediss?://[^\s/?#]+(/[0-9]*)?", url):
        raise _invalid("AGENTOS_REDIS_URL must read rediss://user:password@host:port/0, or redis:// without TLS")
    ca_file = _optional_path(environ, "AGENTOS_REDIS_CA_FILE")
    if ca_file and not url.startswith("rediss:"):
        raise _invalid("AGENTOS_REDIS_CA_FILE is set and AGENTOS_REDIS_URL has no TLS; write rediss:// in the URL")
    length = environ.get("AGENTOS_EVENTS_MAX_LENGTH") or "10000"
    if not re.fullmatch(r"[0-9]{3,7}", length):
        raise _invalid(f"AGENTOS_EVENTS_MAX_LENGTH {length!r} must be a whole number from 100 to 1000000")
    return RedisSettings(url=url, ca_file=ca_file, events_max_length=int(length))


def _database(environ: Environ, *, laptop: bool, events_of: str) -> DatabaseSettings:
    url = _secret_value(environ, "AGENTOS_DATABASE_URL", "sqlite:///agentos.db" if laptop else None)
    if url.startswith("sqlite:"):
        return DatabaseSettings(url=url)
    if not url.startswith(("postgresql://", "postgres://")):
        raise _invalid("AGENTOS_DATABASE_URL is neither a postgresql:// nor a sqlite:// URL; set the whole URL")
    schema = _value(environ, "AGENTOS_DATABASE_SCHEMA", None)
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
        # agno writes the schema's name unquoted into its SQL.
        raise _invalid(f"AGENTOS_DATABASE_SCHEMA {schema!r} must be lower-case letters, digits and '_'")
    return DatabaseSettings(url=url, schema=schema, events_of=events_of)


def _auth(environ: Environ, workspace: str, deployment: str, *, laptop: bool) -> AuthSettings:
    generated = secrets.token_urlsafe(32) if laptop else None
    keys = tuple(_secret_value(environ, "AGENTOS_JWT_VERIFICATION_SECRETS", generated).split())
    if not keys or any(len(key.encode()) < 32 for key in keys):
        raise _invalid("AGENTOS_JWT_VERIFICATION_SECRETS holds a secret shorter than 32 bytes; make it longer")
    audience = _value(environ, "AGENTOS_JWT_AUDIENCE", "local" if laptop else None)
    issuer = environ.get("AGENTOS_JWT_ISSUER") or "agentos.hyvve.io"
    defaults = Defaults(issuer, audience, workspace, agent_os_id(deployment, workspace))
    return AuthSettings(
        secrets=keys,
        audience=audience,
        issuer=issuer,
        max_lifetime_seconds=_lifetime(environ),
        issuers=parse_issuers(environ.get("AGENTOS_ISSUERS", ""), defaults),
        origins=tuple(environ.get("AGENTOS_ALLOWED_ORIGINS", _LAPTOP_ORIGINS if laptop else "").split()),
    )


def _lifetime(environ: Environ) -> int:
    """Seconds from one minute to a day: what the CRD admits, and what a laptop needs at most."""
    text = environ.get("AGENTOS_JWT_MAX_LIFETIME") or str(LONGEST_LIFETIME)
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 60 <= int(text) <= LONGEST_LIFETIME:
        raise _invalid(f"AGENTOS_JWT_MAX_LIFETIME {text!r} must be whole seconds from 60 to {LONGEST_LIFETIME}")
    return int(text)


def _value(environ: Environ, name: str, default: str | None) -> str:
    value = environ.get(name) or default
    if not value:
        raise _invalid(f"{name} is not set; the operator sets it in a pod, on a laptop set it yourself")
    return value


def _secret_value(environ: Environ, name: str, default: str | None) -> str:
    value = _value(environ, name, default)
    environ.pop(name, None)
    return value


def _optional_path(environ: Environ, name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


def _invalid(message: str) -> StartupError:
    return StartupError(Reason.INVALID_SETTINGS, message)


def secret_variable(ref: SecretRef) -> str:
    """The environment variable that stands for a Secret's key on a laptop: {openai, api-key}
    OPENAI_API_KEY."""
    return re.sub(r"[-.]", "_", f"{ref.name}_{ref.key}").upper()


def read_secret(settings: Settings, environ: Environ, ref: SecretRef, path: str) -> str:
    """The value of a referenced Secret: a mounted file, or an environment variable on a laptop."""
    if settings.secrets_dir is None:
        value, where = environ.get(secret_variable(ref), ""), f"environment variable {secret_variable(ref)}"
    else:
        value, where = _file(settings.secrets_dir / ref.name / ref.key), f"Secret {ref.name}, key {ref.key},"
    if not value.strip():
        message = f"{path}: {where} is missing or empty; create it"
        raise StartupError(Reason.SECRET_MISSING, message)
    return value.strip()


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
