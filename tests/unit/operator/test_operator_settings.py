"""The operator's configuration: a mistake is an error that names the field, never a silent default."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from agentos_operator.errors import SettingsError
from agentos_operator.settings import Settings, load

Object = dict[str, Any]
VALID: Object = {
    "runtimeImage": "example.com/runtime:1",
    "operatorServiceAccount": {"name": "agentos-operator", "namespace": "agentos-system"},
    "routing": {"baseDomain": "agents.example.com", "sourceNamespaces": ["agentos-gateway"]},
    "database": {"servers": [{"name": "default", "host": "pg", "network": {"namespace": "agentos-system"}}]},
}


def document(**changes: Any) -> Object:
    """VALID with other values at dotted paths; None removes."""
    body = copy.deepcopy(VALID)
    for path, value in changes.items():
        *parents, last = path.split("__")
        section: Any = body
        for part in parents:
            section = section[int(part) if part.isdigit() else part]
        if value is None:
            del section[last]
        else:
            section[last] = value
    return body


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[[str], Settings]:
    """Load settings from this text."""

    def call(text: str) -> Settings:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return load(path)

    return call


def test_a_short_file_is_enough(load_text: Callable[[str], Settings]) -> None:
    settings = load_text(yaml.safe_dump(VALID))
    assert settings.routing.mode == "Gateway"
    assert settings.workers == 16
    server = settings.server("default")
    assert server is not None
    assert server.port == 5432
    assert settings.server("other") is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"runtimeImage": None}, "runtimeImage"),
        ({"runtimeImage": ""}, "runtimeImage"),
        ({"runtimeImag": "x"}, "runtimeImag"),
        ({"workers": 0}, "workers"),
        ({"workers": "many"}, "workers"),
        ({"resyncSeconds": 0}, "resyncSeconds"),
        ({"routing__baseDomain": None}, "routing.baseDomain"),
        ({"routing__mode": "Traefik"}, "routing.mode"),
        ({"routing__port": 65536}, "routing.port"),
        ({"routing__scheme": "ftp"}, "routing.scheme"),
        ({"routing__annotations": {"a": "b"}}, "routing.annotations"),
        ({"operatorServiceAccount__name": None}, "operatorServiceAccount.name"),
        ({"database__servers": None}, "database.servers"),
        ({"database__servers__0__port": 0}, "database.servers.0.port"),
        ({"database__servers__0__sslMode": "yes"}, "database.servers.0.sslMode"),
        ({"database__servers__0__password": "planted"}, "database.servers.0.password"),
        ({"database__servers__0__network": {}}, "database.servers.0.network"),
        ({"network": {"dns": {"podLabels": {"a": "b"}}}}, "network.dns"),
        ({"network": {"dns": {"port": 0}}}, "network.dns.port"),
        ({"routing__mode": "Ingress", "routing__sourceNamespaces": None}, "routing"),
    ],
)
def test_a_mistake_is_named_by_its_path(load_text: Callable[[str], Settings], changes: Object, field: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_text(yaml.safe_dump(document(**changes)))
    assert f"{field}: " in str(caught.value)
    assert "planted" not in str(caught.value)


def test_all_mistakes_are_told_at_once(load_text: Callable[[str], Settings]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_text(yaml.safe_dump(document(workers=0, runtimeImage=None)))
    assert "workers: " in str(caught.value)
    assert "runtimeImage: " in str(caught.value)


def test_two_servers_of_one_name_are_refused_or_policies_would_open_to_the_wrong_one(
    load_text: Callable[[str], Settings],
) -> None:
    twice = [{**VALID["database"]["servers"][0], "host": host} for host in ("one", "two")]
    with pytest.raises(SettingsError, match=r"database: .*default"):
        load_text(yaml.safe_dump(document(database__servers=twice)))


@pytest.mark.parametrize("text", ["", "[]", "just text", "1"])
def test_a_file_that_is_no_mapping_is_named(load_text: Callable[[str], Settings], text: str) -> None:
    with pytest.raises(SettingsError, match=r"config\.yaml is wrong: the file: "):
        load_text(text)


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\tx", "!!python/object/apply:os.getcwd []"])
def test_a_file_that_is_no_plain_yaml_is_named(load_text: Callable[[str], Settings], text: str) -> None:
    with pytest.raises(SettingsError, match=r"config\.yaml cannot be read"):
        load_text(text)


def test_a_file_of_bytes_that_are_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"config\.yaml cannot be read"):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml cannot be read"):
        load(tmp_path / "absent.yaml")


def test_settings_do_not_change_while_the_operator_runs(settings: Settings) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings.workers = 1


@pytest.mark.parametrize(
    ("routing", "url"),
    [
        ({}, "https://support--acme.agents.example.com"),
        ({"scheme": "http", "port": 8080}, "http://support--acme.agents.example.com:8080"),
    ],
)
def test_a_url_is_written_as_callers_write_it(routing: Object, url: str) -> None:
    body = document()
    body["routing"] |= routing
    assert Settings.model_validate(body).routing.url("support--acme.agents.example.com") == url


def test_verifying_a_server_takes_its_certificate_authorities(load_text: Callable[[str], Settings]) -> None:
    with pytest.raises(SettingsError, match=r"database\.servers\.0: .*sslMode verify-full needs caFile"):
        load_text(yaml.safe_dump(document(database__servers__0__sslMode="verify-full")))
    body = document(database__servers__0__sslMode="verify-full", database__servers__0__caFile="/ca.crt")
    server = load_text(yaml.safe_dump(body)).server("default")
    assert server is not None
    assert server.ca_file == Path("/ca.crt")
