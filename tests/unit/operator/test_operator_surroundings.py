"""Where DNS, the gateway and the databases are: found where only administrators have a say, told where not found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from agentos_operator.clients.kinds import Kind
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.clients.resolver import Resolver, addresses_of, read_resolver
from agentos_operator.conditions import build_conditions, held, is_ready
from agentos_operator.desired.surroundings import Opening
from agentos_operator.errors import ApiError, ApiUnavailable, Forbidden
from agentos_operator.ledger import Ledger
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.isolation.memory import IsolationMemory, Place
from agentos_operator.reconcile.surroundings import databases, look_around
from agentos_operator.reconcile.surroundings.aspect import tell_surroundings
from agentos_operator.reconcile.surroundings.databases import service_of
from agentos_operator.resources.workspace import parse_workspace
from agentos_operator.settings import PodPeer, Settings
from agentos_operator.workqueue import Key

Object = dict[str, Any]
RESYNC = 600.0
ENVOY = {
    "gateway.envoyproxy.io/owning-gateway-name": "agentos",
    "gateway.envoyproxy.io/owning-gateway-namespace": "agentos-gateway",
}
STANDARD = {"gateway.networking.k8s.io/gateway-name": "agentos"}


def service(selector: Mapping[str, str] | None, *ports: Object, **spec: Any) -> Object:
    """A Service as the API server stores it."""
    return {"spec": {"clusterIP": "10.96.0.10", "selector": selector, "ports": list(ports), **spec}}


KUBE_DNS = service(
    {"k8s-app": "kube-dns"}, *({"port": 53, "targetPort": 53, "protocol": each} for each in ("UDP", "TCP"))
)


class Cluster:
    """An API server with some Services and one ConfigMap, which may fail."""

    def __init__(self) -> None:
        self.services: dict[str, Object] = {"kube-system/kube-dns": KUBE_DNS}
        self.labelled: dict[str, list[Mapping[str, str]]] = {"envoy-gateway-system": [ENVOY]}
        self.record: Object | None = None
        self.error: ApiError | None = None
        self.writes = 0

    async def pick(self, kind: Kind, name: str, namespace: str) -> Object | None:
        assert kind.kind == "Service"
        if self.error:
            raise self.error
        return self.services.get(f"{namespace}/{name}")

    async def names(self, _kind: Kind, labels: Mapping[str, str]) -> set[tuple[str | None, str]]:
        if self.error:
            raise self.error
        return {(place, "x") for place, found in self.labelled.items() if labels in found}

    async def find(self, kind: Kind, name: str, namespace: str) -> Object | None:
        assert (kind.kind, name, namespace) == ("ConfigMap", "agentos-network", "agentos-system")
        if self.error:
            raise self.error
        return self.record

    async def apply(self, body: Object) -> Object:
        if self.error:
            raise self.error
        self.writes += 1
        self.record = body
        return body


class Scene:
    """An operator that looks around, with one workspace in its ledger."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster, self.ledger, self.marked = Cluster(), Ledger(), list[Key]()
        self.names: dict[str, set[str]] = {}
        self.clock = 0.0
        self.settings = settings
        self.resolver = Resolver()
        namespace = {"kind": "Namespace", "metadata": {"name": "ws-acme", "uid": "u"}}
        namespace["metadata"]["ownerReferences"] = [{"kind": "Workspace", "name": "acme", "uid": "o"}]  # type: ignore[index]
        self.ledger.record(namespace, namespace)
        monkeypatch.setattr(databases, "addresses_of", self.resolve)
        self.context = self.restart()

    async def resolve(self, host: str) -> frozenset[str]:
        return frozenset(self.names.get(host, set()))

    def configure(self, **server: Any) -> None:
        """An operator that is told nothing of the network but one server's host, and this on top."""
        document = {"name": "default", "host": "db.example.com", **server}
        values = self.settings.model_dump(by_alias=True)
        values["routing"]["sourceNamespaces"] = []
        values["database"]["servers"] = [document]
        values["network"]["dns"] = {}
        self.settings = Settings.model_validate(values)
        self.context = self.restart()

    def restart(self) -> Context:
        """Another process: nothing is remembered but what stands in the cluster."""
        context = Context(
            cast("Kubernetes", self.cluster),
            {},
            self.settings,
            self.ledger,
            lambda: datetime.now(UTC),
            lambda: self.clock,
            self.marked.append,
            IsolationMemory(Place(resolver=self.resolver)),
        )
        self.context = context
        return context

    async def look(self) -> None:
        self.marked.clear()
        await look_around.look_around(self.context)

    async def first_look(self) -> None:
        self.marked.clear()
        await look_around.look_around_first(self.context)

    @property
    def database(self) -> Opening:
        return self.context.surroundings.current.databases["default"]

    @property
    def dns(self) -> Opening:
        return self.context.surroundings.current.dns

    @property
    def told(self) -> str:
        return " ".join(each.text for each in self.context.surroundings.told.values())


@pytest.fixture
def scene(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """All is where it usually is, and the database has an address."""
    scene = Scene(settings, monkeypatch)
    scene.names["db.example.com"] = {"203.0.113.7"}
    scene.configure()
    return scene


async def test_what_is_given_is_neither_looked_for_nor_recorded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = settings.model_dump(by_alias=True)
    values["network"]["dns"] = {"namespace": "dns", "cidrs": ["169.254.20.10/32"], "port": 5353}
    scene = Scene(Settings.model_validate(values), monkeypatch)
    scene.cluster.error = ApiUnavailable("must not be asked")
    await scene.look()
    assert scene.dns == Opening(5353, (PodPeer(namespace="dns"),), cidrs=("169.254.20.10/32",))
    assert scene.context.surroundings.current.gateway == (PodPeer(namespace="agentos-gateway"),)
    assert scene.told == ""
    assert scene.cluster.writes == 0


async def test_where_nothing_moves_nobody_is_looked_at_and_nothing_is_written(scene: Scene) -> None:
    await scene.first_look()
    assert scene.told == ""
    assert scene.cluster.writes == 1
    for scene.clock in (60.0, 7000.0):
        await scene.look()
        assert scene.marked == []
    assert scene.cluster.writes == 1


# DNS


async def test_dns_is_where_its_service_leads_to_on_the_port_of_its_pods(scene: Scene) -> None:
    labels = {"dns.operator.openshift.io/daemonset-dns": "default"}
    ports = [{"port": 53, "targetPort": each} for each in ("dns", "dns-tcp")] + [
        {"port": 9154, "targetPort": "metrics"}
    ]
    scene.cluster.services["kube-system/kube-dns"] = service(labels, *ports)
    await scene.look()
    assert scene.dns == Opening(53, (PodPeer(namespace="kube-system", pod_labels=labels),), (53, "dns", "dns-tcp"))
    scene.cluster.services["kube-system/kube-dns"] = service(labels, {"port": 53, "targetPort": 5353})
    await scene.look()
    assert scene.dns.pod_ports == (5353,)


async def test_a_cache_on_each_node_is_open_as_the_service_itself_is(scene: Scene) -> None:
    scene.resolver = Resolver(("169.254.20.10", "10.96.0.10"))
    scene.restart()
    await scene.look()
    assert scene.dns.cidrs == ("10.96.0.10/32", "169.254.20.10/32")
    assert scene.told == ""


@pytest.mark.parametrize(
    "nameserver", ["169.254.169.254", "169.254.169.253", "8.8.8.8", "10.0.0.2", "fd00:ec2::254", "fe80::1%eth0"]
)
async def test_a_resolver_that_may_be_anything_is_told_and_not_opened(scene: Scene, nameserver: str) -> None:
    scene.resolver = Resolver((nameserver,))
    scene.restart()
    await scene.look()
    assert scene.dns.cidrs == ()
    assert nameserver in scene.told
    assert "network.dns" in scene.told


@pytest.mark.parametrize("found", [None, service(None, {"port": 53})])
async def test_without_a_service_to_learn_from_the_usual_pods_are_open_and_it_is_told(
    scene: Scene, found: Object | None
) -> None:
    scene.cluster.services = {"kube-system/kube-dns": found} if found else {}
    await scene.look()
    assert scene.dns.pods == (PodPeer(namespace="kube-system", pod_labels={"k8s-app": "kube-dns"}),)
    assert "kube-system/kube-dns" in scene.told


# Databases


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("postgres.databases.svc", ("databases", "postgres")),
        ("postgres.databases.svc.", ("databases", "postgres")),
        ("postgres.databases.svc.cluster.local", ("databases", "postgres")),
        ("postgres-0.postgres.databases.svc.cluster.local", ("databases", "postgres")),
        ("postgres.databases.svc.example.com", None),
        ("postgres.databases.cluster.local", None),
        ("postgres.databases", None),
        ("db.eu.svc.example.com", None),
        ("svc", None),
        ("postgres.svc", None),
        ("203.0.113.7", None),
        ("2001:db8::1", None),
    ],
)
def test_a_host_names_a_service_only_where_the_clusters_dns_says_so(
    host: str, expected: tuple[str, str] | None
) -> None:
    found = service_of(host, "cluster.local")
    assert (found and (found.namespace, found.name)) == expected


async def test_a_database_in_the_cluster_is_named_by_the_pods_of_its_service_on_their_own_port(scene: Scene) -> None:
    scene.configure(host="pooler.databases.svc", port=5432)
    labels = {"cnpg.io/poolerName": "main"}
    scene.cluster.services["databases/pooler"] = service(labels, {"port": 5432, "targetPort": 6432})
    await scene.look()
    assert scene.database == Opening(5432, (PodPeer(namespace="databases", pod_labels=labels),), (6432,))
    scene.cluster.services["databases/pooler"] = service({"app": "new"}, {"port": 5432, "targetPort": "pg"})
    await scene.look()
    assert scene.database.pods[0].pod_labels == {"app": "new"}
    assert scene.database.pod_ports == (5432, "pg")
    assert scene.marked == [Key("Workspace", None, "acme")], "its policy follows"


async def test_callers_of_a_headless_service_reach_its_pods_on_the_port_that_they_call(scene: Scene) -> None:
    scene.configure(host="db-0.db.databases.svc")
    headless = service({"app": "db"}, {"port": 5432, "targetPort": 9999}, clusterIP="None")
    scene.cluster.services["databases/db"] = headless
    await scene.look()
    assert scene.database.pod_ports == (5432,)


async def test_a_service_that_a_tenant_could_change_is_not_believed(scene: Scene) -> None:
    scene.configure(host="db.ws-acme.svc")
    scene.cluster.services["ws-acme/db"] = service({"app": "db"}, {"port": 5432})
    await scene.look()
    assert scene.database == Opening(5432)
    assert "belongs" not in scene.told
    assert "Namespace of a workspace" in scene.told


async def test_a_service_without_pods_of_its_own_is_told_and_nothing_is_opened(scene: Scene) -> None:
    scene.configure(host="db.databases.svc")
    scene.cluster.services["databases/db"] = service(None, {"port": 5432})
    await scene.look()
    assert scene.database == Opening(5432)
    assert "database.servers[default]" in scene.told


async def test_a_service_without_the_port_of_the_configuration_is_told_until_it_has_it(scene: Scene) -> None:
    scene.configure(host="db.databases.svc", port=6432)
    scene.cluster.services["databases/db"] = service({"app": "db"}, {"port": 5432}, {"port": 9187})
    await scene.look()
    assert "Service databases/db has no port 6432, only 5432, 9187" in scene.told
    assert scene.context.surroundings.told["database.default"].certain
    scene.cluster.services["databases/db"] = service({"app": "db"}, {"port": 6432, "targetPort": 5432})
    await scene.look()
    assert "database.default" not in scene.context.surroundings.told


async def test_an_external_name_leads_to_its_addresses(scene: Scene) -> None:
    scene.configure(host="db.databases.svc")
    scene.cluster.services["databases/db"] = {"spec": {"type": "ExternalName", "externalName": "db.example.com"}}
    await scene.look()
    assert scene.database.cidrs == ("203.0.113.7/32",)


async def test_an_alias_of_a_service_leads_to_its_pods_and_an_alias_of_a_tenants_nowhere(scene: Scene) -> None:
    scene.configure(host="db.databases.svc")
    scene.cluster.services["databases/db"] = {"spec": {"externalName": "primary.postgres.svc.cluster.local"}}
    scene.cluster.services["postgres/primary"] = service({"app": "db"}, {"port": 5432})
    await scene.look()
    assert scene.database == Opening(5432, (PodPeer(namespace="postgres", pod_labels={"app": "db"}),), (5432,))
    scene.configure(host="db.databases.svc")
    scene.cluster.services["databases/db"] = {"spec": {"externalName": "db.ws-acme.svc.cluster.local"}}
    scene.names["db.ws-acme.svc.cluster.local"] = {"203.0.113.9"}
    await scene.look()
    assert scene.database == Opening(5432)
    assert "Namespace of a workspace" in scene.told


async def test_aliases_that_lead_in_a_circle_are_told(scene: Scene) -> None:
    scene.configure(host="a.databases.svc")
    scene.cluster.services["databases/a"] = {"spec": {"externalName": "b.databases.svc.cluster.local"}}
    scene.cluster.services["databases/b"] = {"spec": {"externalName": "a.databases.svc.cluster.local"}}
    await scene.look()
    assert scene.database == Opening(5432)
    assert "alias" in scene.told


async def test_a_short_name_of_a_service_is_told_with_how_to_call_it(scene: Scene) -> None:
    scene.configure(host="postgres.databases")
    await scene.look()
    assert "<name>.<namespace>.svc" in scene.told


async def test_an_address_needs_no_look_up(scene: Scene) -> None:
    scene.configure(host="2001:db8::7")
    await scene.look()
    assert scene.database.cidrs == ("2001:db8::7/128",)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "169.254.169.254",
        "fd00:ec2::254",
        "::1",
        "224.0.0.1",
        "0.0.0.0",
        "fe80::1",
        "::ffff:169.254.169.254",
    ],
)
async def test_an_address_where_no_server_can_be_is_not_opened(scene: Scene, address: str) -> None:
    scene.names["db.example.com"] = {address}
    await scene.look()
    assert scene.database == Opening(5432)
    assert address in scene.told


async def test_a_name_with_more_addresses_than_a_server_has_is_not_opened(scene: Scene) -> None:
    scene.names["db.example.com"] = {f"203.0.113.{number}" for number in range(33)}
    await scene.look()
    assert scene.database == Opening(5432)
    assert "33 addresses" in scene.told


async def test_the_policy_follows_a_database_that_moves_and_lets_go_of_its_old_address(scene: Scene) -> None:
    await scene.look()
    assert [*scene.database.cidrs] == ["203.0.113.7/32"]
    scene.names["db.example.com"] = {"203.0.113.8"}
    scene.clock = 60.0
    await scene.look()
    assert [*scene.database.cidrs] == ["203.0.113.7/32", "203.0.113.8/32"], "open connections go on"
    assert scene.marked == [Key("Workspace", None, "acme")]
    scene.clock = RESYNC + 1
    await scene.look()
    assert [*scene.database.cidrs] == ["203.0.113.8/32"]
    assert scene.marked == [Key("Workspace", None, "acme")]


async def test_a_name_whose_addresses_change_all_the_time_opens_no_more_than_a_server_has(scene: Scene) -> None:
    for number in range(100):
        scene.names["db.example.com"] = {f"203.0.113.{number}"}
        scene.clock = float(number)
        await scene.look()
    assert len(scene.database.cidrs) == databases.MOST_ADDRESSES
    assert "203.0.113.99/32" in scene.database.cidrs


# What fails closes nothing


async def test_a_record_that_could_not_be_written_is_written_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_: object) -> None:
        raise ApiUnavailable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(scene.cluster, "apply", refused)
        await scene.first_look()
    await scene.look()
    assert scene.marked == []
    assert scene.cluster.record is not None


async def test_a_name_that_cannot_be_resolved_closes_nothing_and_is_told_after_a_while(scene: Scene) -> None:
    await scene.look()
    scene.names.clear()
    scene.clock = 1000.0
    await scene.look()
    assert scene.database.cidrs == ("203.0.113.7/32",)
    assert scene.told == ""
    assert scene.marked == []
    scene.clock += RESYNC
    await scene.look()
    assert scene.database.cidrs == ("203.0.113.7/32",)
    assert "db.example.com has no address now. What was found earlier stays open." in scene.told


@pytest.mark.parametrize("error", [ApiUnavailable("no answer"), Forbidden("no right")])
async def test_an_api_server_that_does_not_answer_closes_nothing(scene: Scene, error: ApiError) -> None:
    scene.configure(host="db.databases.svc")
    scene.cluster.services["databases/db"] = service({"app": "db"}, {"port": 5432})
    await scene.look()
    before = scene.context.surroundings.current
    scene.cluster.error = error
    await scene.look()
    assert scene.context.surroundings.current == before
    assert scene.marked == []


async def test_an_operator_that_restarts_while_nothing_can_be_found_closes_nothing(scene: Scene) -> None:
    scene.cluster.services["kube-system/kube-dns"] = service({"app": "dns"}, {"port": 53, "targetPort": 5353})
    await scene.first_look()
    before = scene.context.surroundings.current
    scene.restart()
    scene.names.clear()
    scene.cluster.services.clear()
    await scene.first_look()
    assert scene.context.surroundings.current == before


async def test_a_record_of_another_configuration_is_not_taken_over(scene: Scene) -> None:
    await scene.first_look()
    scene.configure(host="other.example.com")
    await scene.first_look()
    assert scene.database == Opening(5432)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"of": "db.example.com:5432"}', '{"of": "db.example.com:5432", "opening": {"port": "x"}}']
)
async def test_a_record_that_somebody_broke_is_written_anew(scene: Scene, text: str) -> None:
    scene.cluster.record = {"data": {"database.default": text}}
    await scene.first_look()
    assert scene.cluster.record["data"].keys() == {"dns", "database.default"}
    assert json.loads(scene.cluster.record["data"]["database.default"])["opening"]["cidrs"] == ["203.0.113.7/32"]


async def test_an_operator_that_may_not_read_its_record_works_without(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise Forbidden("no right")

    monkeypatch.setattr(scene.cluster, "find", refused)
    await scene.first_look()
    assert scene.database.cidrs == ("203.0.113.7/32",)


async def test_the_first_look_waits_for_the_api_server(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = list[float]()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        scene.cluster.error = None

    monkeypatch.setattr("agentos_operator.reconcile.surroundings.look_around.asyncio.sleep", sleep)
    scene.cluster.error = ApiUnavailable("no answer")
    await scene.first_look()
    assert len(waited) == 1
    assert scene.database.cidrs == ("203.0.113.7/32",)


# The gateway


async def test_only_the_gateways_own_pods_in_administrators_namespaces_are_let_in(scene: Scene) -> None:
    await scene.look()
    found = {(each.namespace, tuple(each.pod_labels.items())) for each in scene.context.surroundings.current.gateway}
    assert found == {
        ("agentos-gateway", tuple(STANDARD.items())),
        ("agentos-gateway", tuple(ENVOY.items())),
        ("envoy-gateway-system", tuple(ENVOY.items())),
    }


@pytest.mark.parametrize(
    ("labelled", "said"),
    [
        ({"agentos-gateway": [STANDARD]}, ""),
        ({"agentos-gateway": [ENVOY]}, ""),
        ({}, "No proxies of Gateway agentos-gateway/agentos were found"),
        ({"elsewhere": [STANDARD]}, "No proxies of"),
        ({"elsewhere": [ENVOY]}, "Services of Gateway agentos-gateway/agentos lie in elsewhere"),
        ({"ws-acme": [ENVOY]}, "No proxies of"),
    ],
)
async def test_proxies_that_nobody_lets_in_are_told_and_let_in_by_nobody(
    scene: Scene, labelled: dict[str, list[Mapping[str, str]]], said: str
) -> None:
    await scene.look()
    before = scene.context.surroundings.current.gateway
    scene.cluster.labelled = labelled
    await scene.look()
    assert (said in scene.told) if said else scene.told == ""
    assert ("routing.sourceNamespaces" in scene.told) is bool(said)
    assert scene.context.surroundings.current.gateway == before, "a label that anybody can write lets nobody in"


@pytest.mark.parametrize("gateway", [{"name": "g" * 64, "namespace": "x"}, {"name": "g", "namespace": "ws-acme"}])
async def test_a_gateway_that_cannot_be_named_safely_lets_nobody_in_and_is_told(scene: Scene, gateway: Object) -> None:
    values = scene.settings.model_dump(by_alias=True)
    values["routing"]["gateway"] = gateway
    scene.settings = Settings.model_validate(values)
    scene.restart()
    await scene.look()
    assert scene.context.surroundings.current.gateway == ()
    assert "routing.sourceNamespaces" in scene.told


# What a Workspace says


async def test_a_workspace_tells_of_its_own_server_and_of_nobody_elses(scene: Scene) -> None:
    values = scene.settings.model_dump(by_alias=True)
    values["database"]["servers"] = [*values["database"]["servers"], {"name": "second", "host": "second.example.com"}]
    scene.settings = Settings.model_validate(values)
    scene.restart()
    await scene.look()
    spec: Object = {"displayName": "x", "suspended": False, "preventDeletion": False, "deletionPolicy": "Retain"}
    spec |= {"auth": {"maxTokenLifetime": "24h"}, "quota": {"profile": "standard"}, "network": {"egress": []}}
    database = {"isolation": "Schema", "connectionLimit": 40, "statementTimeout": "30s"}
    told = {}
    for server in ("default", "second"):
        body = {"metadata": {"name": "acme", "uid": "u"}, "spec": {**spec, "namespace": {"adopt": False}}}
        body["spec"]["database"] = {**database, "server": server}
        told[server] = tell_surroundings(scene.context, parse_workspace(body))
    assert told["default"] == []
    (aspect,) = told["second"]
    told_of_second = (aspect.type, aspect.holds, aspect.reason, aspect.required)
    assert told_of_second == ("NetworkReady", None, "NotDiscovered", False), "no answer is no finding"
    assert aspect.message == "second.example.com has no address now."
    conditions = build_conditions([held("NamespaceReady", "x"), aspect], "x", 1)
    assert is_ready(conditions), "it is no part of Ready"
    scene.names["second.example.com"] = {"127.0.0.1"}
    await scene.look()
    (aspect,) = tell_surroundings(scene.context, parse_workspace(body))
    assert aspect.holds is False


# The resolver


def test_the_resolver_of_a_pod_is_read_with_its_clusters_domain(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(
        "search agentos-system.svc.example.org svc.example.org example.org\n"
        "nameserver 10.96.0.10\n# nameserver 1.2.3.4\nnameserver\noptions ndots:5\n"
    )
    assert read_resolver(file) == Resolver(("10.96.0.10",), "example.org")
    file.write_text("nameserver 10.96.0.10\n")
    assert read_resolver(file).cluster_domain == "cluster.local"
    assert read_resolver(tmp_path / "absent") == Resolver()


async def test_names_are_looked_up_as_the_system_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "127.0.0.1" in await addresses_of("localhost")
    assert await addresses_of("x" * 64 + ".example") == frozenset()
    assert await addresses_of("there-is-none.invalid") == frozenset()
