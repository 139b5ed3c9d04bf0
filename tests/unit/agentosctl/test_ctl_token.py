"""`agentosctl token` prints what a runtime accepts, or says what is in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest

from agentos_runtime.auth.tokens import create_verifier
from agentos_runtime.issuers import Defaults, parse_issuers
from agentos_runtime.settings import AuthSettings
from agentosctl import token
from agentosctl.cluster import SECRET, WORKSPACE
from tests.unit.agentosctl.conftest import SECRET_TEXT, FakeCluster, condition, encoded

ASK = ("token", "acme", "--user", "alice", "--scope", "agents:run")
GOOD = {"secret": SECRET_TEXT, "issuer": "agentos.hyvve.io", "audience": "uid-1", "workspace": "acme"}

Run = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def ready(cluster: FakeCluster) -> FakeCluster:
    cluster.add(WORKSPACE, "acme", status={"conditions": [condition("Ready", "True", "Ready")]})
    cluster.add(SECRET, "agentos-jwt", "ws-acme", data=encoded(**GOOD))
    return cluster


def claims(text: str) -> dict[str, Any]:
    return jwt.decode(text.strip(), SECRET_TEXT, algorithms=["HS256"], audience="uid-1", issuer="agentos.hyvve.io")


@pytest.mark.usefixtures("ready")
def test_the_token_says_who_for_what_and_for_how_long(run: Run, capsys: Captured) -> None:
    assert run(*ASK, "--scope", "sessions:read", "--ttl", "1h30m") == 0
    shown = capsys.readouterr()
    found = claims(shown.out)
    assert shown.err == ""
    assert (found["sub"], found["workspace_id"]) == ("alice", "acme")
    assert found["scopes"] == ["agents:run", "sessions:read"]
    assert found["exp"] - found["iat"] == 5400


@pytest.mark.usefixtures("ready")
def test_a_token_lives_a_quarter_of_an_hour_unless_told_otherwise(run: Run, capsys: Captured) -> None:
    run(*ASK)
    found = claims(capsys.readouterr().out)
    assert found["exp"] - found["iat"] == 900


def test_reading_one_secret_is_all_the_right_that_is_needed(ready: FakeCluster, run: Run) -> None:
    assert run(*ASK) == 0
    assert ready.read == [("get", "secrets")]


async def test_a_runtime_accepts_the_token(ready: FakeCluster) -> None:
    wish = token.Wish("acme", "alice", ("agents:run", "agents:support:run"), token.LONGEST)
    text = token.mint(ready, wish, 1_800_000_000)
    issuers = parse_issuers("", Defaults("agentos.hyvve.io", "uid-1", "acme", "support--acme"))
    verifier = create_verifier(AuthSettings(secrets=(SECRET_TEXT,), issuers=issuers), "acme", laptop=False)
    identity = await verifier.verify(text.encode(), now=1_800_000_001)
    assert (identity.user, identity.workspace, identity.scopes) == ("alice", "acme", wish.scopes)


def fails(run: Run, capsys: Captured, *arguments: str) -> str:
    """What a failing command says; nothing goes to standard output."""
    assert run(*(arguments or ASK)) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert SECRET_TEXT not in shown.err
    return shown.err


def test_a_workspace_that_does_not_exist(run: Run, capsys: Captured) -> None:
    assert "there is no Workspace acme" in fails(run, capsys)


def test_a_forbidden_namespace_of_a_workspace_that_does_not_exist(
    cluster: FakeCluster, run: Run, capsys: Captured
) -> None:
    cluster.denied = {("get", "secrets")}
    assert "there is no Workspace acme" in fails(run, capsys)


@pytest.mark.parametrize("also", [set(), {("get", "workspaces")}])
def test_a_missing_right_is_named(ready: FakeCluster, run: Run, capsys: Captured, also: set[Any]) -> None:
    ready.denied = {("get", "secrets")} | also
    said = fails(run, capsys)
    assert "you may not get secrets in the namespace ws-acme" in said
    assert "kubectl auth can-i get secrets -n ws-acme" in said


def test_a_workspace_that_is_not_ready_says_why(cluster: FakeCluster, run: Run, capsys: Captured) -> None:
    ready = condition("Ready", "False", "DatabaseUnavailable", "PostgreSQL does not answer.")
    cluster.add(WORKSPACE, "acme", status={"conditions": [ready]})
    said = fails(run, capsys)
    assert "is not ready" in said
    assert "DatabaseUnavailable: PostgreSQL does not answer." in said


def test_a_workspace_that_nobody_has_looked_at(cluster: FakeCluster, run: Run, capsys: Captured) -> None:
    cluster.add(WORKSPACE, "acme")
    assert "is it running?" in fails(run, capsys)


def test_a_secret_that_went_missing(ready: FakeCluster, run: Run, capsys: Captured) -> None:
    del ready.objects[SECRET, "ws-acme", "agentos-jwt"]
    assert "does not exist although the workspace is ready" in fails(run, capsys)
    ready.denied = {("get", "workspaces")}
    assert "you may not get workspaces" in fails(run, capsys)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"secret": ""}, "lacks the key secret"),
        ({"audience": ""}, "lacks the key audience"),
        ({"secret": "short"}, "under 32 bytes"),
    ],
)
def test_a_secret_that_somebody_changed(
    ready: FakeCluster, run: Run, capsys: Captured, change: dict[str, str], said: str
) -> None:
    ready.add(SECRET, "agentos-jwt", "ws-acme", data=encoded(**(GOOD | change)))
    assert said in fails(run, capsys)


def test_a_workspace_that_accepts_no_tokens_of_its_secret_says_who_signs(
    ready: FakeCluster, run: Run, capsys: Captured
) -> None:
    ready.add(SECRET, "agentos-jwt", "ws-acme", data=encoded(**GOOD, accepted="false"))
    assert "spec.auth.issuers of the Workspace lists none of type GeneratedSecret" in fails(run, capsys)


@pytest.mark.parametrize("text", ["not base64!", "/w=="])
def test_a_secret_that_is_no_text(ready: FakeCluster, run: Run, capsys: Captured, text: str) -> None:
    ready.add(SECRET, "agentos-jwt", "ws-acme", data=encoded(**GOOD) | {"secret": text})
    assert "no readable text under the key secret" in fails(run, capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ttl", "25h"), "at most 24h"),
        (("--ttl", "0s"), "at least 1s"),
        (("--user", "sa:robot"), "must not begin with"),
        (("--user", "__scheduler__"), "must not begin with"),
        (("--user", "  "), "printable"),
        (("--user", "a\nb"), "printable"),
        (("--user", "a" * 256), "255"),
        (("--scope", "agents"), "is no scope"),
    ],
)
def test_a_token_that_every_runtime_would_refuse_is_not_made(
    ready: FakeCluster, run: Run, capsys: Captured, arguments: tuple[str, str], said: str
) -> None:
    assert said in fails(run, capsys, *ASK, *arguments)
    assert ready.read == []


@pytest.mark.parametrize("arguments", [ASK[:4], (*ASK[:2], *ASK[4:]), (*ASK, "--ttl", "soon"), (*ASK, "--ttl", "")])
def test_arguments_that_mean_nothing(run: Run, capsys: Captured, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err


def test_a_token_lives_no_longer_than_the_workspace_allows(run: Run, ready: FakeCluster, capsys: Captured) -> None:
    data = encoded(**GOOD, **{"max-lifetime-seconds": "300"})
    ready.add(SECRET, "agentos-jwt", "ws-acme", data=data)
    assert "at most 5m" in fails(run, capsys, *ASK, "--ttl", "301s")
    assert run(*ASK) == 0
    claims = jwt.decode(capsys.readouterr().out.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 300


def test_the_secret_is_in_no_representation() -> None:
    assert SECRET_TEXT not in repr(token.Signing(**GOOD, longest=token.LONGEST))
