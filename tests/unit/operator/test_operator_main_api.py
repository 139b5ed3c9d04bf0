"""What leads ``/api`` to the platform's main API, and what the settings refuse about it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agentos_operator.desired.address import Address
from agentos_operator.desired.main_api import build_api_ingress, build_reference_grant
from agentos_operator.resources.common import Owner
from agentos_operator.settings import MainApi, Routing

API = MainApi(namespace="platform", service="main-api", port=3000)
ACME = Owner("Workspace", "acme", "uid-1")


def routing(**changes: Any) -> Routing:
    document = {"baseDomain": "agents.example.com", "sourceNamespaces": ["gateways"], **changes}
    return Routing.model_validate(document)


def test_a_grant_opens_one_service_to_the_routes_of_one_workspace() -> None:
    grant = build_reference_grant(ACME, API)
    assert (grant["metadata"]["namespace"], grant["metadata"]["name"]) == ("platform", "ws-acme")
    assert grant["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    assert grant["spec"] == {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "ws-acme"}],
        "to": [{"group": "", "kind": "Service", "name": "main-api"}],
    }


def test_behind_an_ingress_every_host_gets_api_and_nothing_but_api() -> None:
    address = Address(("support--acme.agents.example.com", "agents.acme.com"), "")
    ingress = build_api_ingress("support", ACME, address, routing(mode="Ingress"), API)
    assert ingress["metadata"]["name"] == "acme--support"
    assert ingress["metadata"]["labels"]["agentos.hyvve.io/deployment"] == "support"
    rules = ingress["spec"]["rules"]
    assert [rule["host"] for rule in rules] == list(address.hosts)
    backend = {"service": {"name": "main-api", "port": {"number": 3000}}}
    assert {str(rule["http"]["paths"]) for rule in rules} == {
        str([{"path": "/api", "pathType": "Prefix", "backend": backend}])
    }


@pytest.mark.parametrize("certificate", ["None", "Controller", "Secret", "PerHost"])
def test_each_host_has_a_certificate_of_its_own_name_where_there_are_any(certificate: str) -> None:
    ingress = {"certificate": certificate, "secretName": "wildcard" if certificate == "Secret" else ""}
    address = Address(("support--acme.agents.example.com", "agents.acme.com"), "")
    of = routing(mode="Ingress", scheme="https", ingress=ingress)
    tls = build_api_ingress("support", ACME, address, of, API)["spec"].get("tls", [])
    names = {entry["hosts"][0]: entry.get("secretName") for entry in tls}
    generated, own = address.hosts
    assert (
        names
        == {
            "None": {},
            "Controller": {generated: None, own: None},
            "Secret": {generated: "wildcard", own: "agentos-tls-support--own"},
            "PerHost": {generated: "agentos-tls-support", own: "agentos-tls-support--own"},
        }[certificate]
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "Ingress", "addressing": "Path", "api": API.model_dump()}, "one Ingress for /api"),
        ({"ingress": {"certificate": "Secret"}}, "secretName"),
        ({"ingress": {"secretName": "wildcard"}}, "secretName"),
        ({"mode": "Ingress", "scheme": "http", "ingress": {"certificate": "PerHost"}}, "set scheme to https"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        routing(**changes)
