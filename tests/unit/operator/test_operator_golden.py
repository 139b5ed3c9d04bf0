"""What the builders make of a resource, against ``golden/<case>/{input,output}.yaml``.

An input is the resource as the API server stores it (tests/integration/schema shows that it does) and the operator's
settings; the output is every object of the bundle in order. ``pytest --update-golden`` writes the outputs anew.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from agentos_operator.clients.kinds import KINDS
from agentos_operator.desired.access import build_access, deployment_with_access
from agentos_operator.desired.agent_deployment import Circumstances, build_deployment_objects
from agentos_operator.desired.database_ca import build_database_ca, deployment_with_database_ca
from agentos_operator.desired.network_policy import build_openings
from agentos_operator.desired.secrets import DatabaseLogin, build_database_secret, build_jwt_secret
from agentos_operator.desired.surroundings import Surroundings, configured_surroundings
from agentos_operator.desired.workspace import build_workspace_objects
from agentos_operator.resources.access import parse_access
from agentos_operator.resources.agent_deployment import parse_agent_deployment
from agentos_operator.resources.workspace import Workspace, parse_workspace
from agentos_operator.settings import NetworkSettings, Settings

Object = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(folder.name for folder in GOLDEN.iterdir())


class _Dumper(yaml.SafeDumper):
    """Repeats what several objects share instead of pointing at it."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def text(self, data: str) -> yaml.Node:
        """Several lines stay several lines."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _Dumper.text)


def _read(case: str, file: str) -> list[Any]:
    path = GOLDEN / case / file
    return list(yaml.safe_load_all(path.read_text())) if path.exists() else []


def _build(case: str) -> list[Object]:
    """Every object that the case's resource leads to, in the order of its bundle."""
    (given,) = _read(case, "input.yaml")
    settings = Settings.model_validate(given["settings"])
    if "agentDeployment" in given:
        deployment = parse_agent_deployment(given["agentDeployment"])
        around = Circumstances(
            scaled=given.get("scaled", False), own_host=given.get("ownHost"), runtime_class=given.get("runtimeClass")
        )
        bundle = build_deployment_objects(deployment, given["workspaceName"], given["credentials"], settings, around)
        if "workspaceSpec" in given:
            access = parse_access(given["workspaceSpec"])
            keys = dict.fromkeys(access.secret_keys, given["publicKey"])
            bundle = deployment_with_access(bundle, build_access(access, keys))
        if given.get("databaseCa"):
            bundle = deployment_with_database_ca(bundle)
        autoscaler = [bundle.autoscaler] if bundle.autoscaler else []
        first = [bundle.config_map, bundle.deployment, bundle.service, bundle.disruption_budget]
        return [*first, *autoscaler, bundle.route]
    workspace = parse_workspace(given["workspace"])
    if "login" in given:
        return _secrets(workspace, given)
    objects = build_workspace_objects(workspace, _surroundings(given, settings), settings)
    authorities = [build_database_ca(workspace, given["databaseCa"])] if "databaseCa" in given else []
    return [*authorities, objects.namespace, objects.role_binding, *objects.member_bindings, *objects.inside]


def _surroundings(given: Object, settings: Settings) -> Surroundings:
    found = given.get("found")
    return TypeAdapter(Surroundings).validate_python(found) if found else configured_surroundings(settings)


def _secrets(workspace: Workspace, given: Object) -> list[Object]:
    return [
        build_database_secret(workspace, DatabaseLogin(**given["login"]), given["private"], given["annotations"]),
        build_jwt_secret(workspace, given["signer"], given["verifiers"], given["annotations"]),
    ]


def _built() -> Iterator[tuple[str, Object]]:
    for case in CASES:
        for body in _build(case):
            yield case, body


ALL = [pytest.param(body, id=f"{body['kind']}-of-{case}") for case, body in _built()]
DEPLOYMENTS = [parameter for parameter in ALL if parameter.values[0]["kind"] == "Deployment"]  # type: ignore[index]
POLICIES = [parameter for parameter in ALL if parameter.values[0]["kind"] == "NetworkPolicy"]  # type: ignore[index]


@pytest.mark.parametrize("case", CASES)
def test_the_builders_make_exactly_the_golden_objects(case: str, request: pytest.FixtureRequest) -> None:
    built = _build(case)
    if request.config.getoption("--update-golden"):
        text = yaml.dump_all(built, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        (GOLDEN / case / "output.yaml").write_text(text)
    assert built == _read(case, "output.yaml")


@pytest.mark.parametrize("body", ALL)
def test_every_object_names_its_controller_by_uid_and_carries_the_labels_that_watches_select(body: Object) -> None:
    metadata = body["metadata"]
    (reference,) = metadata["ownerReferences"]
    assert reference["controller"] is True
    assert reference["uid"].startswith("6f1f7c1e-")
    assert reference["kind"] in {"Workspace", "AgentDeployment"}
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "agentos-operator"
    assert metadata["labels"]["agentos.hyvve.io/workspace"] == "acme"
    of_deployment = reference["kind"] == "AgentDeployment"
    assert ("agentos.hyvve.io/deployment" in metadata["labels"]) is of_deployment


@pytest.mark.parametrize("body", ALL)
def test_every_object_is_of_a_kind_that_the_client_can_write_and_lies_in_the_workspaces_namespace(body: Object) -> None:
    kind = KINDS[body["kind"]]
    assert body["apiVersion"] == kind.api_version
    assert body["metadata"].get("namespace") == ("ws-acme" if kind.namespaced else None)


@pytest.mark.parametrize("body", DEPLOYMENTS)
def test_a_pod_never_gets_a_token_of_the_cluster(body: Object) -> None:
    pod = body["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    assert not any(
        "serviceAccountToken" in source
        for volume in pod["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
    )


@pytest.mark.parametrize("body", DEPLOYMENTS)
def test_a_pod_meets_pod_security_restricted_and_cannot_write_to_its_image(body: Object) -> None:
    pod = body["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= {
        "configMap",
        "emptyDir",
        "projected",
    }
    assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume)


@pytest.mark.parametrize("body", DEPLOYMENTS)
def test_a_secret_reaches_a_pod_by_reference_only(body: Object) -> None:
    (container,) = body["spec"]["template"]["spec"]["containers"]
    plain = {variable["name"] for variable in container["env"] if "value" in variable}
    assert not {"AGENTOS_DATABASE_URL", "AGENTOS_JWT_VERIFICATION_SECRETS"} & plain


@pytest.mark.parametrize("body", DEPLOYMENTS)
def test_the_operators_own_variables_come_after_the_tenants_and_so_win(body: Object) -> None:
    (container,) = body["spec"]["template"]["spec"]["containers"]
    names = [variable["name"] for variable in container["env"]]
    ours = [name for name in names if name.startswith("AGENTOS_") or name == "HOME"]
    assert names[-len(ours) :] == ours


@pytest.mark.parametrize("body", POLICIES)
def test_no_port_is_opened_without_a_destination_and_no_ingress_without_a_port(body: Object) -> None:
    assert body["spec"]["policyTypes"] == ["Ingress", "Egress"]
    narrow = {"matchLabels": {"app.kubernetes.io/name": "agentos-isolation-probe"}}
    assert body["spec"]["podSelector"] == (narrow if _name(body) == "agentos-isolation-probe" else {})
    for rule in body["spec"].get("egress", ()):
        assert rule["to"], "an empty list of destinations means every destination"
        assert all(peer for peer in rule["to"])
    for rule in body["spec"].get("ingress", ()):
        assert rule["from"]
        assert all(peer for peer in rule["from"])
        (port,) = rule["ports"]
        assert port in ({"protocol": "TCP", "port": 7777}, {"protocol": "TCP", "port": 9464})


@pytest.mark.parametrize("body", POLICIES)
def test_nobody_but_the_platform_is_let_through_to_where_pods_tell_of_themselves(body: Object) -> None:
    rules = [rule for rule in body["spec"].get("ingress", ()) if rule["ports"][0]["port"] == 9464]
    for peer in (peer for rule in rules for peer in rule["from"]):
        (place,) = peer["namespaceSelector"]["matchLabels"].values()
        assert place in {"agentos-system", "monitoring"}
        assert peer["podSelector"]["matchLabels"], "a whole Namespace holds more than the operator and Prometheus"


@pytest.mark.parametrize("body", POLICIES)
def test_a_peer_in_the_cluster_is_always_named_by_its_namespace(body: Object) -> None:
    rules = [*body["spec"].get("egress", ()), *body["spec"].get("ingress", ())]
    for peer in (peer for rule in rules for peer in (*rule.get("to", ()), *rule.get("from", ()))):
        if "ipBlock" not in peer:
            assert peer["namespaceSelector"]["matchLabels"].keys() == {"kubernetes.io/metadata.name"}


@pytest.mark.parametrize("address", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"])
def test_the_opening_to_the_internet_leaves_out_private_and_metadata_addresses(address: str) -> None:
    (openings,) = [body for body in _build("a-workspace-with-every-default") if _name(body) == "agentos-openings"]
    (internet,) = [
        peer["ipBlock"]
        for rule in openings["spec"]["egress"]
        for peer in rule["to"]
        if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"
    ]
    assert address in internet["except"]


def test_public_addresses_that_an_administrator_closes_are_left_out_too(settings: Settings) -> None:
    (given,) = _read("a-workspace-with-every-default", "input.yaml")
    ranges = ("203.0.113.10/32", "2001:db8::/32", "10.0.0.0/8", "fd00::/8")
    network = NetworkSettings.model_validate({"closedCidrs": ranges})
    closed = settings.model_copy(update={"network": network})
    policy = build_openings(parse_workspace(given["workspace"]), configured_surroundings(closed), closed)
    (internet,) = [rule["to"] for rule in policy["spec"]["egress"] if "ipBlock" in rule["to"][0]]
    assert internet[0]["ipBlock"]["except"][-1] == "203.0.113.10/32"
    assert internet[0]["ipBlock"]["except"].count("10.0.0.0/8") == 1
    assert internet[1]["ipBlock"]["except"] == ["2001:db8::/32"], "a range outside would make the policy invalid"


def test_a_database_login_that_lands_in_a_log_shows_neither_password_nor_url() -> None:
    (given,) = _read("the-secrets-of-a-workspace", "input.yaml")
    assert "planted" not in repr(DatabaseLogin(**given["login"]))


def test_the_secrets_hold_their_values_under_the_keys_that_the_pods_read() -> None:
    database, jwt = (
        {key: b64decode(value).decode() for key, value in body["data"].items()}
        for body in _build("the-secrets-of-a-workspace")
    )
    connection = {"url", "schema", "username", "password", "host", "port", "database"}
    assert database.keys() == connection | {"next-password", "previous-password"}
    assert database["url"] == (
        "postgresql://ws_1_a:planted-database-password@pg.example.com:5432/agentos?sslmode=require"
    )
    earlier, signer = jwt["verification-secrets"].split()
    assert signer == jwt["secret"] != earlier
    assert jwt["max-lifetime-seconds"] == "86400"
    assert jwt["audience"] == "6f1f7c1e-0000-4000-8000-000000000001"
    assert jwt["workspace"] == "acme"


def test_a_changed_agent_makes_a_config_map_of_another_name_so_that_pods_roll() -> None:
    (given,) = _read("a-deployment-of-one-agent-that-says-no-more-than-it-must", "input.yaml")
    before = _config_map(given)
    given["agentDeployment"]["spec"]["agents"][0]["markdown"] = True
    after = _config_map(given)
    assert _name(before) != _name(after)
    given["agentDeployment"]["spec"]["replicas"] = 5
    assert _name(_config_map(given)) == _name(after), "scaling restarts nothing"


def test_changed_credentials_change_the_pod_template_and_nothing_else_does() -> None:
    case = "a-deployment-of-one-agent-that-says-no-more-than-it-must"
    (given,) = _read(case, "input.yaml")
    settings = Settings.model_validate(given["settings"])
    deployment = parse_agent_deployment(given["agentDeployment"])
    template = [
        build_deployment_objects(deployment, "acme", {"jwt-credentials": identifier}, settings).deployment["spec"]
        for identifier in ("one", "one", "two")
    ]
    assert template[0] == template[1]
    assert template[0] != template[2]


def _config_map(given: Object) -> Object:
    settings = Settings.model_validate(given["settings"])
    deployment = parse_agent_deployment(given["agentDeployment"])
    return build_deployment_objects(deployment, given["workspaceName"], given["credentials"], settings).config_map


def _name(body: Object) -> str:
    return str(body["metadata"]["name"])
