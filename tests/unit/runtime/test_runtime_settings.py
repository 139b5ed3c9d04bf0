"""The environment: complete in a pod, optional on a laptop, and empty of secrets afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentos_runtime.errors import StartupError
from agentos_runtime.settings import read_secret, settings_from
from agentos_spec import SecretRef

POD = {
    "AGENTOS_WORKSPACE": "acme",
    "AGENTOS_DEPLOYMENT": "support",
    "AGENTOS_SPEC_FILE": "/etc/agentos/agent-deployment.yaml",
    "AGENTOS_DATABASE_URL": "postgresql://u:planted@db:5432/x?sslmode=require",
    "AGENTOS_DATABASE_SCHEMA": "ws_acme_1",
    "AGENTOS_JWT_VERIFICATION_SECRETS": "a" * 32 + " " + "b" * 32,
    "AGENTOS_JWT_ISSUER": "agentos.hyvve.io",
    "AGENTOS_JWT_AUDIENCE": "uid-1",
    "AGENTOS_SECRETS_DIR": "/var/run/agentos/secrets",
}


def test_a_pod_is_told_everything() -> None:
    settings = settings_from(dict(POD))
    assert (settings.workspace, settings.deployment, settings.port) == ("acme", "support", 7777)
    assert (settings.database.schema, settings.auth.audience) == ("ws_acme_1", "uid-1")
    assert settings.auth.secrets == ("a" * 32, "b" * 32)
    assert not settings.laptop


def test_the_longest_life_of_a_token_is_the_workspaces() -> None:
    assert settings_from(POD | {"AGENTOS_JWT_MAX_LIFETIME": "3600"}).auth.max_lifetime_seconds == 3600
    assert settings_from(dict(POD)).auth.max_lifetime_seconds == 24 * 3600


@pytest.mark.parametrize(
    ("environ", "content"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c", "AGENTOS_TRACING_CONTENT": "yes"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "AGENTOS_TRACING_CONTENT": "true"}, True),
    ],
)
def test_traces_are_sent_where_a_collector_is_named_and_say_more_only_where_that_is_asked_for(
    environ: dict[str, str], content: bool | None
) -> None:
    tracing = settings_from(POD | environ).tracing
    assert (tracing.content if tracing else None) is content


def test_tools_find_no_secret_in_the_environment_afterwards() -> None:
    environ = dict(POD)
    settings_from(environ)
    assert "planted" not in str(environ)
    assert "a" * 32 not in str(environ)


def test_settings_can_be_printed() -> None:
    assert "planted" not in repr(settings_from(dict(POD)))
    assert "a" * 32 not in repr(settings_from(dict(POD)))


@pytest.mark.parametrize(
    "name", sorted(POD.keys() - {"AGENTOS_WORKSPACE", "AGENTOS_SECRETS_DIR", "AGENTOS_JWT_ISSUER"})
)
def test_a_pod_never_falls_back_to_a_laptops_default(name: str) -> None:
    with pytest.raises(StartupError, match=f"{name} is not set") as refused:
        settings_from({k: v for k, v in POD.items() if k != name})
    assert refused.value.reason == "InvalidSettings"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AGENTOS_JWT_VERIFICATION_SECRETS", "short", "shorter than 32 bytes"),
        ("AGENTOS_JWT_MAX_LIFETIME", "59", "whole seconds from 60 to 86400"),
        ("AGENTOS_JWT_MAX_LIFETIME", "86401", "whole seconds from 60 to 86400"),
        ("AGENTOS_JWT_MAX_LIFETIME", "1h", "whole seconds from 60 to 86400"),
        ("AGENTOS_JWT_VERIFICATION_SECRETS", "a" * 32 + " short", "shorter than 32 bytes"),
        ("AGENTOS_DATABASE_SCHEMA", "ws-acme", "must be lower-case letters"),
        ("AGENTOS_DATABASE_SCHEMA", 'x"; DROP', "must be lower-case letters"),
        ("AGENTOS_DATABASE_URL", "mysql://planted@db", "neither a postgresql"),
    ],
)
def test_a_malformed_value_is_refused_without_repeating_a_secret(name: str, value: str, message: str) -> None:
    with pytest.raises(StartupError, match=message) as refused:
        settings_from({**POD, name: value})
    assert "planted" not in refused.value.message


def test_a_laptop_needs_nothing_but_a_file() -> None:
    settings = settings_from({}, spec_file=Path("support.yaml"))
    assert settings.laptop
    assert settings.database.is_sqlite
    assert settings.host == "127.0.0.1"
    assert settings.auth.secrets != settings_from({}, spec_file=Path("support.yaml")).auth.secrets


def test_a_secret_is_a_file_in_a_pod(tmp_path: Path) -> None:
    (tmp_path / "openai").mkdir()
    (tmp_path / "openai" / "api-key").write_text("sk-1\n")
    settings = settings_from({**POD, "AGENTOS_SECRETS_DIR": str(tmp_path)})
    assert read_secret(settings, {}, SecretRef("openai", "api-key"), "p") == "sk-1"


def test_a_secret_is_a_variable_on_a_laptop() -> None:
    settings = settings_from({}, spec_file=Path("support.yaml"))
    environ = {"OPENAI_API_KEY": "sk-1", "MY_KEY_TLS_CRT": "x"}
    assert read_secret(settings, environ, SecretRef("openai", "api-key"), "p") == "sk-1"
    assert read_secret(settings, environ, SecretRef("my-key", "tls.crt"), "p") == "x"


@pytest.mark.parametrize("content", [None, "", " \n"], ids=["absent", "empty", "blank"])
def test_a_missing_secret_is_named(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "openai").mkdir()
    if content is not None:
        (tmp_path / "openai" / "api-key").write_text(content)
    settings = settings_from({**POD, "AGENTOS_SECRETS_DIR": str(tmp_path)})
    with pytest.raises(StartupError, match="Secret openai, key api-key, is missing or empty") as refused:
        read_secret(settings, {}, SecretRef("openai", "api-key"), "spec.agents[0].model.apiKeySecretRef")
    assert refused.value.reason == "SecretMissing"
    assert refused.value.message.startswith("spec.agents[0].model.apiKeySecretRef:")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process's environment as a file")
def test_a_program_that_a_tool_starts_cannot_read_the_processes_environment() -> None:
    ask = "import ctypes, agentos_runtime.hardening as h; h.hide_process(); print(ctypes.CDLL(None).prctl(3))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True, text=True)
    assert done.stdout == "0\n"


def test_redis_is_named_by_one_url_that_no_tool_finds_afterwards() -> None:
    environ = POD | {"AGENTOS_REDIS_URL": "rediss://acme:planted-too@redis:6379/0", "AGENTOS_REDIS_CA_FILE": "/ca.crt"}
    settings = settings_from(environ)
    assert settings.redis is not None
    assert (settings.redis.ca_file, settings.redis.events_max_length) == (Path("/ca.crt"), 10000)
    assert settings.database.events_of == "support"
    assert "planted-too" not in str(environ) + repr(settings)


def test_without_redis_nothing_is_noted() -> None:
    settings = settings_from(dict(POD))
    assert (settings.redis, settings.database.events_of) == (None, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"AGENTOS_REDIS_URL": "redis:6379"},
        {"AGENTOS_REDIS_URL": "unix:///run/redis.sock"},
        {"AGENTOS_REDIS_URL": "rediss://:planted@redis:6379/0?ssl_cert_reqs=none"},
        {"AGENTOS_REDIS_URL": "redis://:planted@redis:6379/0", "AGENTOS_REDIS_CA_FILE": "/ca.crt"},
        {"AGENTOS_REDIS_URL": "redis://:planted@redis:6379/0", "AGENTOS_EVENTS_MAX_LENGTH": "-1"},
    ],
    ids=["no scheme", "a socket", "verification turned off", "authorities without TLS", "a negative length"],
)
def test_a_redis_that_cannot_be_meant_is_refused_without_its_password(changes: dict[str, str]) -> None:
    with pytest.raises(StartupError, match="AGENTOS_") as refused:
        settings_from(POD | changes)
    assert refused.value.reason == "InvalidSettings"
    assert "planted" not in refused.value.message
