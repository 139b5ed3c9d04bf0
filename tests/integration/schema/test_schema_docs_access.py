"""docs/authentication.md and docs/control-plane.md show what works: resources, claims, commands."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos_runtime.auth.reading import BadToken
from agentos_runtime.auth.tokens import create_verifier
from agentos_runtime.issuers import Issuer
from agentos_runtime.settings import AuthSettings, settings_from
from tests.integration.apiserver import CRDS, ApiServer
from tests.unit.runtime.signing import GENERATED_SECRET, SECRET, Signer

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGES = {name: (DOCS / name).read_text() for name in ("authentication.md", "control-plane.md")}
RESOURCES = [
    pytest.param(yaml.safe_load(textwrap.dedent(block)), id=f"{name}-{number}")
    for name, text in PAGES.items()
    for number, block in enumerate(re.findall(r"^ *```yaml\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE))
]


def test_there_is_something_to_try() -> None:
    assert len(RESOURCES) == 4


@pytest.mark.parametrize("body", RESOURCES)
def test_every_resource_of_the_pages_is_accepted(
    api_server: ApiServer, fresh_name: Callable[[], str], body: dict[str, Any]
) -> None:
    api_server.create({**body, "metadata": {"name": fresh_name()}})


async def test_the_claims_of_the_page_are_enough_and_none_is_too_many() -> None:
    [block] = re.findall(r"```json\n(.*?)```", PAGES["authentication.md"], re.DOTALL)
    claims = json.loads(block)
    issuer = Issuer(
        name="app",
        type="GeneratedSecret",
        issuer=claims["iss"],
        audience=claims["aud"],
        workspace=("workspace_id", claims["workspace_id"]),
        algorithms=frozenset({"HS256"}),
    )
    settings = AuthSettings(secrets=(SECRET,), issuers=(issuer,))
    verifier = create_verifier(settings, claims["workspace_id"], laptop=False)

    def token(content: dict[str, Any]) -> bytes:
        signer = Signer("page", issuer, GENERATED_SECRET.signature, {"alg": "HS256"}, content)
        return signer.token().encode()

    identity = await verifier.verify(token(claims), now=claims["iat"])
    assert identity.scopes == ("agents:run", "sessions:read")
    for name in claims:
        with pytest.raises(BadToken):
            await verifier.verify(token({k: v for k, v in claims.items() if k != name}), now=claims["iat"])


def test_the_list_for_a_laptop_is_one_that_the_runtime_takes() -> None:
    [block] = re.findall(r"```sh\n(.*?)```", PAGES["authentication.md"], re.DOTALL)
    [text] = re.findall(r"AGENTOS_ISSUERS='(.*?)'", block, re.DOTALL)
    settings = settings_from({"AGENTOS_ISSUERS": text}, spec_file=Path("support.yaml"))
    assert [issuer.name for issuer in settings.auth.issuers] == ["generated", "app"]
    assert create_verifier(settings.auth, settings.workspace, laptop=settings.laptop)
    assert {issuer.audience for issuer in settings.auth.issuers} == {settings.workspace} == {"local"}


def test_every_path_into_a_status_that_the_pages_name_exists() -> None:
    crd = yaml.safe_load((CRDS / "agentdeployments.yaml").read_text())
    status = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    commands = re.findall(r"`(kubectl [^`]+)`", PAGES["control-plane.md"])
    paths = [shlex.split(command)[-1].removeprefix("jsonpath=") for command in commands]
    assert sorted(paths) == ["{.status.controlPlane}", "{.status.url}"]
    assert all(path.removeprefix("{.status.").removesuffix("}") in status for path in paths)
