"""The chart renders what a cluster and the operator accept, and refuses wrong values by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos_operator import settings
from tests.unit.chart.conftest import CHART, HelmError, Rendered

OUTSIDE: dict[str, Any] = {
    "name": "default",
    "host": "pg.example.com",
    "existingSecret": "pg-admin",
    "network": {"cidrs": ["203.0.113.10/32"]},
}
INSIDE: dict[str, Any] = {
    "name": "second",
    "host": "pg.databases.svc",
    "port": 6432,
    "database": "other",
    "sslMode": "verify-full",
    "ca": {"configMap": "second-ca"},
    "existingSecret": "second-admin",
    "network": {"namespace": "databases", "podLabels": {"app": "postgres"}},
}


def own_servers(*servers: dict[str, Any]) -> dict[str, Any]:
    """Values for servers of one's own instead of the embedded one."""
    return {"database": {"embedded": {"enabled": False}, "servers": list(servers)}}


def configuration(rendered: Rendered, folder: Path) -> settings.Settings:
    """The rendered configuration, as the operator itself reads it."""
    path = folder / "config.yaml"
    path.write_text(rendered.one("ConfigMap", "agentos-operator")["data"]["config.yaml"])
    return settings.load(path)


def pod(rendered: Rendered, kind: str, name: str) -> dict[str, Any]:
    template: dict[str, Any] = rendered.one(kind, name)["spec"]["template"]["spec"]
    return template


def mounts(spec: dict[str, Any]) -> dict[str, str]:
    """Mount paths of the pod's only container, with the names of their volumes."""
    (container,) = spec["containers"]
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


def test_lint_finds_nothing(helm: Any) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--kube-version", "1.34.0")


def test_the_operator_reads_the_default_configuration(render: Any, tmp_path: Path) -> None:
    read = configuration(render(), tmp_path)
    assert read.runtime_image == "localhost/agentos-runtime:0.1.0"
    assert (read.operator_service_account.name, read.operator_service_account.namespace) == (
        "agentos-operator",
        "platform",
    )
    assert read.allowed_images == (), "an image gets a workspace's credentials"
    server = read.server("default")
    assert server is not None
    assert (server.host, server.port, server.ssl_mode) == ("agentos-postgres.platform.svc", 5432, "prefer")
    assert read.routing.port is None
    assert read.routing.ingress.class_name is None


def test_the_operator_reads_every_value_that_can_be_set(render: Any, tmp_path: Path) -> None:
    values = own_servers(OUTSIDE, INSIDE) | {
        "workers": 3,
        "resyncSeconds": 5,
        "runtime": {
            "image": {"repository": "r.example/x/runtime", "tag": "7"},
            "allowedImages": ["r.example:5000/x/", "docker.io/acme/one"],
        },
        "serviceAccount": {"create": False, "name": "mine"},
        "routing": {
            "mode": "Ingress",
            "baseDomain": "agents.example.com",
            "scheme": "https",
            "port": 8443,
            "gateway": {"name": "g", "namespace": "gn"},
            "ingress": {"className": "nginx", "certificate": "Secret", "secretName": "wildcard"},
            "api": {"namespace": "platform-api", "service": "main", "port": 3000},
            "sourceNamespaces": ["a", "b"],
        },
        "network": {
            "dns": {"namespace": "dns", "podLabels": {"app": "dns"}},
            "closedCidrs": ["203.0.113.10/32", "2001:db8::/32"],
        },
        "metrics": {"namespace": "monitoring", "podLabels": {"app": "prometheus"}},
    }
    rendered = render(values)
    read = configuration(rendered, tmp_path)
    assert (read.workers, read.resync_seconds, read.runtime_image) == (3, 5, "r.example/x/runtime:7")
    assert read.allowed_images == ("r.example:5000/x/", "docker.io/acme/one")
    assert read.routing.url("h") == "https://h:8443"
    assert (read.routing.mode, read.routing.ingress.class_name) == ("Ingress", "nginx")
    assert read.routing.source_namespaces == ("a", "b")
    assert (read.routing.ingress.certificate, read.routing.ingress.secret_name) == ("Secret", "wildcard")
    assert read.routing.api is not None
    assert (read.routing.api.namespace, read.routing.api.service, read.routing.api.port) == (
        "platform-api",
        "main",
        3000,
    )
    assert read.network.dns.pod_labels == {"app": "dns"}
    assert [str(each) for each in read.network.closed_cidrs] == ["203.0.113.10/32", "2001:db8::/32"]
    assert read.network.metrics == settings.PodPeer(namespace="monitoring", pod_labels={"app": "prometheus"})
    assert [server.name for server in read.database.servers] == ["default", "second"]
    outside, inside = read.database.servers
    assert outside.network is not None
    assert inside.network is not None
    assert (outside.ssl_mode, outside.network.cidrs) == ("require", ("203.0.113.10/32",))
    assert (inside.port, inside.database, inside.ssl_mode) == (6432, "other", "verify-full")
    assert inside.network.namespace == "databases"
    assert rendered.of("ServiceAccount") == []
    assert pod(rendered, "Deployment", "agentos-operator")["serviceAccountName"] == "mine"


@pytest.mark.parametrize("left_open", [{}, {"network": {}}])
def test_what_the_values_leave_open_the_operator_finds_out_by_itself(
    render: Any, tmp_path: Path, left_open: dict[str, Any]
) -> None:
    server = {key: value for key, value in OUTSIDE.items() if key != "network"}
    read = configuration(render(own_servers(server | left_open)), tmp_path)
    assert read.database.servers[0].network is None
    assert read.routing.source_namespaces == ()
    assert not read.network.dns.is_given
    assert (read.network.dns.service.namespace, read.network.dns.service.name) == ("kube-system", "kube-dns")


def test_dns_can_be_named_by_its_service_by_its_pods_and_by_addresses(render: Any, tmp_path: Path) -> None:
    service = {"namespace": "openshift-dns", "name": "dns-default"}
    read = configuration(render({"network": {"dns": {"service": service}}}), tmp_path).network.dns
    assert (read.service.namespace, read.service.name, read.is_given) == ("openshift-dns", "dns-default", False)
    given = {"namespace": "dns", "podLabels": {"a": "b"}, "cidrs": ["169.254.20.10/32"], "port": 5353}
    read = configuration(render({"network": {"dns": given}}), tmp_path).network.dns
    assert (read.namespace, read.pod_labels, read.port, read.is_given) == ("dns", {"a": "b"}, 5353, True)
    assert [str(each) for each in read.cidrs] == ["169.254.20.10/32"]


def test_on_a_shared_host_one_ingress_of_the_charts_own_leads_to_the_main_api(render: Any, tmp_path: Path) -> None:
    api = {"namespace": "platform-api", "service": "main", "port": 3000}
    routing = {"addressing": "Path", "baseDomain": "agents.example.com", "sourceNamespaces": ["ingress"]}
    values = {"routing": {"mode": "Ingress", "api": api, **routing}}
    rendered = render(values)
    assert configuration(rendered, tmp_path).routing.api is None
    ingress = rendered.one("Ingress", "agentos-api")
    assert ingress["metadata"]["namespace"] == "platform-api"
    (rule,) = ingress["spec"]["rules"]
    assert rule["host"] == "agents.example.com"
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/api", "Prefix")
    assert path["backend"] == {"service": {"name": "main", "port": {"number": 3000}}}
    assert not [role for role in rendered.of("Role") if role["metadata"]["name"].endswith("-api")]


def test_a_changed_configuration_restarts_the_operator_and_an_upgrade_alone_does_not_touch_postgres(
    render: Any,
) -> None:
    def checksum(values: dict[str, Any]) -> str:
        metadata = render(values).one("Deployment", "agentos-operator")["spec"]["template"]["metadata"]
        return str(metadata["annotations"]["checksum/config"])

    assert checksum({}) == checksum({"replicas": 2})
    assert checksum({}) != checksum({"routing": {"baseDomain": "example.org"}})
    labels = render().one("StatefulSet", "agentos-postgres")["spec"]["template"]["metadata"]["labels"]
    assert not any("version" in label or "chart" in label for label in labels)


def test_every_server_has_its_credentials_where_the_operator_looks(render: Any) -> None:
    rendered = render({"database": {"servers": [INSIDE]}})
    spec = pod(rendered, "Deployment", "agentos-operator")
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    found = {path: secrets[name] for path, name in mounts(spec).items() if name in secrets}
    assert found == {
        "/etc/agentos-operator/servers/default": "agentos-postgres-admin",
        "/etc/agentos-operator/servers/second": "second-admin",
    }


@pytest.mark.parametrize(
    ("ca", "source"),
    [
        ({"configMap": "public"}, {"configMap": {"name": "public", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}),
        (
            {"secret": "pg-tls", "key": "root.pem"},
            {"secret": {"secretName": "pg-tls", "items": [{"key": "root.pem", "path": "ca.crt"}]}},
        ),
    ],
    ids=["ConfigMap", "Secret"],
)
def test_certificate_authorities_are_where_the_operator_looks(
    render: Any, tmp_path: Path, ca: dict[str, str], source: dict[str, Any]
) -> None:
    rendered = render(own_servers(OUTSIDE | {"sslMode": "verify-full", "ca": ca}))
    spec = pod(rendered, "Deployment", "agentos-operator")
    (server,) = configuration(rendered, tmp_path).database.servers
    assert server.ca_file is not None
    name = mounts(spec)[str(server.ca_file.parent)]
    (volume,) = [each for each in spec["volumes"] if each["name"] == name]
    assert {key: value for key, value in volume.items() if key != "name"} == source


def test_without_the_embedded_server_nothing_of_it_is_left(render: Any) -> None:
    rendered = render(own_servers(OUTSIDE))
    assert not any("postgres" in item["metadata"]["name"] for item in rendered)
    assert rendered.of("Secret") == []


def test_the_embedded_server_says_that_it_is_for_evaluation_only(render: Any) -> None:
    of_it = [item for item in render() if item["metadata"]["name"].startswith("agentos-postgres")]
    assert len(of_it) == 5
    assert all("agentos.hyvve.io/evaluation-only" in item["metadata"]["annotations"] for item in of_it)


def test_the_embedded_server_admits_operator_and_workspaces_only(render: Any) -> None:
    policy = render().one("NetworkPolicy", "agentos-postgres")["spec"]
    assert policy["egress"] == []
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    (rule,) = policy["ingress"]
    operator, workspaces = rule["from"]
    template = render().one("Deployment", "agentos-operator")["spec"]["template"]
    assert operator["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert workspaces == {
        "namespaceSelector": {"matchExpressions": [{"key": "agentos.hyvve.io/workspace", "operator": "Exists"}]}
    }
    assert rule["ports"] == [{"port": 5432, "protocol": "TCP"}]


def test_selectors_find_their_pods(render: Any) -> None:
    rendered = render({"replicas": 2, "podLabels": {"team": "x"}})
    operator = rendered.one("Deployment", "agentos-operator")["spec"]
    budget = rendered.one("PodDisruptionBudget", "agentos-operator")["spec"]
    for selector in (operator["selector"], budget["selector"]):
        assert selector["matchLabels"].items() <= operator["template"]["metadata"]["labels"].items()
    postgres = rendered.one("StatefulSet", "agentos-postgres")["spec"]
    service = rendered.one("Service", "agentos-postgres")["spec"]
    for labels in (postgres["selector"]["matchLabels"], service["selector"]):
        assert labels.items() <= postgres["template"]["metadata"]["labels"].items()
    assert render().of("PodDisruptionBudget") == []


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "agentos-operator"), ("StatefulSet", "agentos-postgres")])
def test_pods_pass_pod_security_restricted_with_a_read_only_root(render: Any, kind: str, name: str) -> None:
    spec = pod(render(), kind, name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert all({"configMap", "secret", "emptyDir"} & volume.keys() for volume in spec["volumes"])
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        resources = container["resources"]
        assert {"cpu", "memory"} == resources["limits"].keys() == resources["requests"].keys()


def test_the_running_database_does_not_know_the_operators_password(render: Any) -> None:
    spec = pod(render(), "StatefulSet", "agentos-postgres")
    assert "env" not in spec["containers"][0]
    assert spec["automountServiceAccountToken"] is False


def test_liveness_asks_the_operator_itself(render: Any) -> None:
    (container,) = pod(render(), "Deployment", "agentos-operator")["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert container["ports"][0] == {"name": "health", "containerPort": 8080}
    assert [variable["name"] for variable in container["env"]] == ["POD_NAME", "POD_NAMESPACE", "POD_IP"]


def test_the_admission_policies_can_be_left_out_where_nobody_may_create_them(render: Any) -> None:
    policies, bindings = (
        {item["metadata"]["name"] for item in render().of(kind)}
        for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    )
    assert policies == bindings != set()
    assert not render({"admission": {"enabled": False}}).of("ValidatingAdmissionPolicy")


def test_persistence_takes_a_claim_and_keeps_the_password_that_opens_it(render: Any) -> None:
    values = {"database": {"embedded": {"persistence": {"enabled": True, "size": "3Gi", "storageClassName": "fast"}}}}
    rendered = render(values)
    (claim,) = rendered.one("StatefulSet", "agentos-postgres")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "3Gi"
    assert claim["spec"]["storageClassName"] == "fast"
    secret = rendered.one("Secret", "agentos-postgres-admin")
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert "helm.sh/resource-policy" not in render().one("Secret", "agentos-postgres-admin")["metadata"]["annotations"]


def test_a_given_secret_is_used_and_none_is_made(render: Any) -> None:
    rendered = render({"database": {"embedded": {"existingSecret": "mine"}}})
    assert rendered.of("Secret") == []
    (container,) = pod(rendered, "StatefulSet", "agentos-postgres")["initContainers"]
    named = {variable["valueFrom"]["secretKeyRef"]["name"] for variable in container["env"] if "valueFrom" in variable}
    assert named == {"mine"}


def test_images_by_tag_by_digest_and_with_pull_secrets(render: Any) -> None:
    digest = "sha256:" + "0" * 64
    values = {
        "image": {"repository": "r.example/op", "tag": "2", "pullPolicy": "Always"},
        "imagePullSecrets": ["pull"],
        "database": {"embedded": {"image": {"digest": digest}}},
    }
    rendered = render(values)
    operator = pod(rendered, "Deployment", "agentos-operator")
    assert operator["containers"][0]["image"] == "r.example/op:2"
    assert operator["containers"][0]["imagePullPolicy"] == "Always"
    postgres = pod(rendered, "StatefulSet", "agentos-postgres")
    assert postgres["containers"][0]["image"] == f"docker.io/pgvector/pgvector@{digest}"
    assert operator["imagePullSecrets"] == postgres["imagePullSecrets"] == [{"name": "pull"}]


def test_scheduling_values_reach_the_operator(render: Any) -> None:
    values = {
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "system-cluster-critical",
    }
    spec = pod(render(values), "Deployment", "agentos-operator")
    assert {key: spec[key] for key in values} == values


def test_names_of_a_long_release_fit_their_limits(render: Any) -> None:
    rendered = render(release="r" * 53)
    assert max(len(item["metadata"]["name"]) for item in rendered if item["kind"] in ("Service", "StatefulSet")) <= 52


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param(own_servers(), "database.servers is empty", id="no server at all"),
        pytest.param(
            {"network": {"dns": {"podLabels": {"a": "b"}}}},
            "give network.dns.namespace too",
            id="labels of DNS pods anywhere",
        ),
        pytest.param(
            {"routing": {"mode": "Ingress"}}, "routing.sourceNamespaces", id="an Ingress controller that is nowhere"
        ),
        pytest.param({"database": {"servers": [OUTSIDE]}}, "which is the embedded PostgreSQL", id="two defaults"),
        pytest.param(own_servers(OUTSIDE, OUTSIDE), "each needs a name of its own", id="two of one name"),
        pytest.param(
            own_servers(OUTSIDE | {"network": {"namespace": "x", "cidrs": ["10.0.0.1/32"]}}),
            "give either namespace",
            id="both networks",
        ),
        pytest.param(
            own_servers(OUTSIDE | {"network": {"cidrs": ["10.0.0.1/32"], "podLabels": {"a": "b"}}}),
            "podLabels narrows a namespace",
            id="labels without a namespace",
        ),
        pytest.param(
            own_servers(OUTSIDE | {"sslMode": "verify-full"}),
            r"servers\[0\].sslMode is verify-full: name the certificate authorities",
            id="nothing to verify with",
        ),
        pytest.param(
            own_servers(OUTSIDE | {"ca": {"key": "x"}}), "either a configMap or a secret", id="no authorities"
        ),
        pytest.param(
            own_servers(OUTSIDE | {"ca": {"configMap": "one", "secret": "two"}}),
            "either a configMap or a secret",
            id="authorities twice",
        ),
        pytest.param({"metrics": {"podLabels": {"a": "b"}}}, "give metrics.namespace too", id="scrapers of nowhere"),
        pytest.param({"metrics": {"namespace": "Monitoring"}}, "namespace", id="namespace in upper case"),
        pytest.param({"serviceAccount": {"create": False}}, "set serviceAccount.name", id="no service account"),
        pytest.param({"replica": 2}, "replica", id="misspelt value"),
        pytest.param({"routing": {"base": "x"}}, "base", id="misspelt nested value"),
        pytest.param({"replicas": "two"}, "replicas", id="text for a number"),
        pytest.param({"replicas": -1}, "replicas", id="negative replicas"),
        pytest.param({"routing": {"mode": "gateway"}}, "mode", id="unknown routing mode"),
        pytest.param({"routing": {"port": 0}}, "port", id="port 0"),
        pytest.param(own_servers({"name": "default"}), "existingSecret", id="server without credentials"),
        pytest.param(own_servers(OUTSIDE | {"password": "x"}), "password", id="password in values"),
        pytest.param(own_servers(OUTSIDE | {"name": "Default"}), "name", id="server name in upper case"),
        pytest.param(own_servers(OUTSIDE | {"network": {"cidrs": ["10.0.0.1"]}}), "cidrs", id="address without range"),
        pytest.param({"database": {"embedded": {"runAsUser": 0}}}, "runAsUser", id="postgres as root"),
        pytest.param({"image": {"digest": "abc"}}, "digest", id="wrong digest"),
        pytest.param({"resources": {"limits": {"cpus": 1}}}, "cpus", id="unknown resource"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(render: Any, values: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError, match=said):
        render(values)


def test_every_value_is_in_the_schema_and_every_schema_field_in_the_values() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def resolved(part: dict[str, Any]) -> dict[str, Any]:
        return schema["definitions"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part

    def compare(path: str, part: dict[str, Any], value: Any) -> None:
        part = resolved(part)
        if "properties" not in part or not isinstance(value, dict):
            return
        known = part["properties"].keys() - {"global"}
        optional = {"ephemeral-storage"}
        assert value.keys() - known == set(), path
        assert known - value.keys() - optional == set(), path
        assert part["additionalProperties"] is False, path
        for name, below in value.items():
            compare(f"{path}.{name}", part["properties"][name], below)

    compare("", schema, values)
