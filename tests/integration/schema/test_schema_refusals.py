"""Bad input is refused by the API server itself, with a sentence that names the field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from agentosctl.documents import Document
from agentosctl.errors import Invalid
from agentosctl.validate import validate
from tests.integration.apiserver import CRDS, ApiServer, RefusedError
from tests.integration.schema.bodies import agent, deployment, workspace

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

Object = dict[str, Any]


def case(sentence: str, body: Object, *words: str) -> ParameterSet:
    """A resource that is refused with a message that holds all ``words``."""
    return pytest.param(body, words, id=sentence)


def egress(**rule: Any) -> Object:
    """A Workspace with one egress rule."""
    return workspace(network={"egress": [rule]})


def events(redis: Object | None = None, **values: Any) -> Object:
    """An AgentDeployment whose events go to a Redis."""
    return deployment(events={"redis": redis or {"urlSecretRef": SECRET}} | values)


MCP = {"name": "docs", "url": "http://docs-mcp.tools.svc:8080/mcp"}


def tools(*entries: Object) -> Object:
    """An AgentDeployment whose agent has these tools."""
    return deployment(agents=[agent(tools=list(entries))])


API = {"name": "shop", "baseURL": "http://shop.shop.svc", "document": {"inline": {"openapi": "3.1.0"}}}


def openapi(sentence: str, word: str, **changes: Any) -> ParameterSet:
    """An HTTP API that is refused."""
    return case(sentence, tools({"openapi": API | changes}), word)


def mcp(sentence: str, word: str, **changes: Any) -> ParameterSet:
    """An MCP server that is refused."""
    return case(sentence, tools({"mcp": MCP | changes}), word)


DIGEST = {"id": "digest", "cron": "0 9 * * mon-fri", "agent": "helper", "message": "What is new?"}


def scheduled(sentence: str, word: str, **changes: Any) -> ParameterSet:
    """A schedule that is refused."""
    entry = {name: value for name, value in (DIGEST | changes).items() if value is not None}
    return case(sentence, deployment(schedules=[entry]), word)


def knowledge(sentence: str, *words: str, **changes: Any) -> ParameterSet:
    """A knowledge that is refused."""
    entry = {"id": "handbook", "embedder": {"id": "openai:text-embedding-3-small"}} | changes
    return case(sentence, deployment(knowledge=[entry]), *words)


MEMBER = {"kind": "User", "name": "alice@example.com", "role": "Viewer"}


def quota(**values: Any) -> Object:
    """A Workspace with this quota."""
    return workspace(quota=values)


def members(**values: Any) -> Object:
    """A Workspace with this member."""
    return workspace(members=[MEMBER | values])


def rotation(field: str, interval: str) -> Object:
    """A Workspace whose database or auth is rotated so often."""
    body = workspace()
    body["spec"][field] = {"rotation": {"interval": interval}}
    return body


def resources(**values: Any) -> Object:
    """An AgentDeployment with these resources."""
    return deployment(resources=values)


def tracing(*variables: Object, **values: Any) -> Object:
    """An AgentDeployment that sends traces, with these variables beside."""
    sent = {"endpoint": "http://collector:4318"} | values
    return deployment(observability={"tracing": sent}, env=list(variables))


def autoscaling(**values: Any) -> Object:
    """An AgentDeployment that is scaled by its processor time, with ``values`` on top."""
    return deployment(autoscaling={"maxReplicas": 3, "targetCPUUtilizationPercentage": 70} | values)


def limits(**values: Any) -> Object:
    """An AgentDeployment with these limits."""
    return deployment(limits=values)


def env(*variables: Object) -> Object:
    """An AgentDeployment with these variables."""
    return deployment(env=list(variables))


def model(**changes: Any) -> Object:
    """An AgentDeployment whose agent has this model."""
    return deployment(agents=[agent(model={"id": "openai-chat:gpt-4o-mini"} | changes)])


def without_spec(body: Object) -> Object:
    """The resource without its spec."""
    return {key: value for key, value in body.items() if key != "spec"}


RESERVED_WORKSPACES = (
    "default",
    "public",
    "postgres",
    "template0",
    "template1",
    "agentos",
    "ext",
    "api",
    "kube",
    "kube-system",
    "kube-public",
    "kube-anything",
)
RESERVED_VARIABLES = (
    "AGENTOS_DATABASE_URL",
    "AGENTOS_",
    "LD_PRELOAD",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PATH",
    "HOME",
)
BAD_HOSTS = (
    "*.example.com",
    "192.0.2.1",
    "[2001:db8::1]",
    "2001:db8::1",
    "localhost",
    "Agents.example.com",
    "agents.example.com.",
    "agents.example.com:8080",
    "https://agents.example.com",
    "agents.example.com/acme",
    "agents_a.example.com",
    "-a.example.com",
    "a..example.com",
    ".example.com",
    "agents.example.com\nevil.example.com",
    "\u0430gents.example.com",
    "",
    f"{'a' * 64}.example.com",
)
PORTS = [{"port": 443}]
SECRET = {"name": "openai", "key": "api-key"}

NAMES = [
    *(
        case(f"a rotation of the {field} every {interval!r}", rotation(field, interval), *words)
        for field in ("database", "auth")
        for interval, *words in (
            ("0", "rotation.interval", "at least 1h"),
            ("0s", "rotation.interval", "at least 1h"),
            ("59m59s", "rotation.interval", "at least 1h"),
            ("monthly", "rotation.interval"),
            ("", "rotation.interval"),
            ("-1h", "rotation.interval"),
        )
    ),
    case("tokens that live for less than a minute", workspace(auth={"maxTokenLifetime": "59s"}), "at least 1m"),
    case("tokens that live for more than a day", workspace(auth={"maxTokenLifetime": "24h1s"}), "at most 24h"),
    case(
        "a rotation of the signing secret before its tokens have expired",
        workspace(auth={"maxTokenLifetime": "2h", "rotation": {"interval": "2h"}}),
        "longer than spec.auth.maxTokenLifetime",
    ),
    case("an uppercase name", workspace("Acme"), "metadata.name", "lower case"),
    case("a name of 31 characters", workspace("a" * 31), "metadata.name", "at most 30 characters"),
    case("a name of 300 characters", workspace("a" * 300), "metadata.name"),
    case("a name that starts with a digit", workspace("1a"), "metadata.name", "start with a letter"),
    case("a name that ends with a hyphen", workspace("a-"), "metadata.name"),
    case("a name with a dot", workspace("a.b"), "metadata.name", "only a-z, 0-9 and '-'"),
    case("a name with an underscore", workspace("pg_catalog"), "metadata.name"),
    case("a name with two hyphens together", workspace("a--b"), "metadata.name", "must not contain '--'"),
    case("a name in punycode", workspace("xn--acme"), "metadata.name", "must not contain '--'"),
    case("a name with a quote", workspace("a'b"), "metadata.name"),
    case("a name with a semicolon", workspace("a;b"), "metadata.name"),
    case("a name with a NUL", workspace("a\0b"), "metadata.name"),
    case("a name with a Cyrillic letter", workspace("\u0430cme"), "metadata.name"),
    case("an empty name", workspace(""), "name"),
    *(case(f"the reserved name {name}", workspace(name), "metadata.name is reserved") for name in RESERVED_WORKSPACES),
    case("a deployment's name of 31 characters", deployment("a" * 31), "metadata.name", "at most 30 characters"),
    case("a deployment's name with two hyphens", deployment("a--b"), "metadata.name", "must not contain '--'"),
    case("a deployment's name with a dot", deployment("a.b"), "metadata.name", "only a-z, 0-9 and '-'"),
    case("a deployment's name that starts with a digit", deployment("1a"), "metadata.name", "start with a letter"),
    case("a deployment's uppercase name", deployment("Support"), "metadata.name", "lower case"),
]

WORKSPACES = [
    case("no spec", without_spec(workspace()), "spec: Required value"),
    case("an empty spec", workspace(spec={}), "spec.displayName: Required value"),
    case("a spec that is null", {**workspace(), "spec": None}, "spec: Required value"),
    case("an empty display name", workspace(displayName=""), "spec.displayName"),
    case("a display name of 121 characters", workspace(displayName="x" * 121), "spec.displayName", "120"),
    case("a display name that is a number", workspace(displayName=7), "spec.displayName", "string"),
    case("an unknown deletion policy", workspace(deletionPolicy="Drop"), "spec.deletionPolicy", '"Retain", "Delete"'),
    case("a truth value in quotes", workspace(namespace={"adopt": "yes"}), "spec.namespace.adopt", "boolean"),
    case("an uppercase server", workspace(database={"server": "EU"}), "spec.database.server"),
    case("an empty server", workspace(database={"server": ""}), "spec.database.server"),
    case("a server that is a path", workspace(database={"server": "../x"}), "spec.database.server"),
    case("no connections", workspace(database={"connectionLimit": 0}), "spec.database.connectionLimit"),
    case("negative connections", workspace(database={"connectionLimit": -1}), "spec.database.connectionLimit"),
    case("endless connections", workspace(database={"connectionLimit": 10**9}), "spec.database.connectionLimit"),
    *(
        case(f"a statement timeout of {value!r}", workspace(database={"statementTimeout": value}), "statementTimeout")
        for value in ("0s", "0", "30", "-1s", "1h", "1.5s", "30 s", "s", "", "1s; DROP SCHEMA x", 30, "35792min")
    ),
    *(
        case(f"a member of kind {kind!r}", members(kind=kind), "spec.members[0].kind")
        for kind in ("ServiceAccount", "user", "")
    ),
    *(
        case(f"a member called {name!r}", members(name=name), "spec.members[0].name")
        for name in ("", "system:masters", "system:serviceaccount:kube-system:default", "*", " a", "a\n", "a" * 254)
    ),
    case("a group of Kubernetes' own", members(kind="Group", name="system:authenticated"), "spec.members[0].name"),
    *(case(f"a role {role!r}", members(role=role), "spec.members[0].role") for role in ("Owner", "cluster-admin", "")),
    case(
        "the same member twice",
        workspace(members=[MEMBER, MEMBER | {"role": "Admin"}]),
        "spec.members[1]: Duplicate value",
    ),
    case("a member with a namespace", members(namespace="kube-system"), 'unknown field "spec.members[0].namespace"'),
    case("an isolation that nobody knows", workspace(database={"isolation": "Server"}), "spec.database.isolation"),
    *(
        case(f"a restore from {value!r}", workspace(database={"restoreFrom": value}), "spec.database.restoreFrom")
        for value in ("", "public", "ws_", "ws_" + 23 * "0", "ws_" + 25 * "0", "ws_" + 24 * "G", 'ws_";drop', 7)
    ),
    case("quota for -1 pods", quota(pods=-1), "spec.quota.pods"),
    case("quota for no pod", quota(pods=0), "spec.quota.pods"),
    case("quota for 1e30 pods", quota(pods=1e30), "spec.quota.pods"),
    *(
        case(f"{side} of {value!r} {unit}", quota(**{side: {unit: value}}), f"spec.quota.{side}.{unit}")
        for side in ("requests", "limits")
        for unit, values in (
            ("cpu", ("-1", "1e30", "0", "0m", "10001", "four", "", "1Gi", "1 ", 0, -1, 10001)),
            ("memory", ("-1Gi", "1e30", "0", "1025Ti", "8GB", "8gi", "", "1.5.5Gi", 0, -1)),
        )
        for value in values
    ),
    case(
        "quota with more CPU requested than allowed",
        quota(requests={"cpu": "8001m"}, limits={"cpu": "8"}),
        "spec.quota.requests.cpu must not be more than spec.quota.limits.cpu",
    ),
    case(
        "quota with more memory requested than allowed, in other units",
        quota(requests={"memory": "17Gi"}, limits={"memory": "17G"}),
        "spec.quota.requests.memory must not be more than spec.quota.limits.memory",
    ),
    *(
        case(f"a quota profile called {name!r}", quota(profile=name), "spec.quota.profile")
        for name in ("", "Small", "a/b", "../x", "a" * 64)
    ),
    *(
        case(f"a RuntimeClass called {name!r}", workspace(runtimeClassName=name), "spec.runtimeClassName")
        for name in ("", "Gvisor", "a/b", "../x", "a" * 254, 7)
    ),
    case("egress without a port", egress(cidr="10.0.0.0/8"), "spec.network.egress[0].ports: Required value"),
    case("egress with an empty list of ports", egress(cidr="10.0.0.0/8", ports=[]), "spec.network.egress[0].ports"),
    case("egress without a destination", egress(ports=PORTS), "spec.network.egress[0]", "exactly one destination"),
    case(
        "egress with two destinations",
        egress(cidr="10.0.0.0/8", namespace="models", ports=PORTS),
        "spec.network.egress[0]",
        "exactly one destination: cidr or namespace",
    ),
    *(
        case(
            f"egress to {value!r}",
            egress(cidr=value, ports=PORTS),
            "spec.network.egress[0].cidr",
            "CIDR notation, such as 10.20.0.0/16",
        )
        for value in (
            "10.0.0.0",
            "10.0.0.0/33",
            "300.0.0.0/8",
            "everywhere",
            "",
            "10.0.0.0/8,11.0.0.0/8",
            "fe80::%eth0/64",
        )
    ),
    *(
        case(f"egress to port {port}", egress(cidr="10.0.0.0/8", ports=[{"port": port}]), "egress[0].ports[0].port")
        for port in (0, -1, 65536, "http")
    ),
    case(
        "egress by an unknown protocol",
        egress(cidr="10.0.0.0/8", ports=[{"port": 1, "protocol": "SCTP"}]),
        "spec.network.egress[0].ports[0].protocol",
    ),
    case(
        "labels without a namespace",
        egress(cidr="10.0.0.0/8", podLabels={"a": "b"}, ports=PORTS),
        "spec.network.egress[0]",
        "podLabels narrows a namespace",
    ),
    case("an uppercase namespace", egress(namespace="Models", ports=PORTS), "spec.network.egress[0].namespace"),
    case("an empty namespace", egress(namespace="", ports=PORTS), "spec.network.egress[0].namespace"),
    case(
        "a label with a value that no pod can carry",
        egress(namespace="models", podLabels={"app": "not a label"}, ports=PORTS),
        "spec.network.egress[0].podLabels",
    ),
    *(
        case(
            f"a label with the key {key[:40]!r}, which no pod can carry",
            egress(namespace="models", podLabels={key: "x"}, ports=PORTS),
            "spec.network.egress[0].podLabels",
        )
        for key in ("not a key", "a..b/c", "a.-b/c", "-a/b", "a/b/c", "/a", "p" * 254 + "/x", "x" * 64)
    ),
    *(
        case(f"the host {value!r}", workspace(routing={"hosts": [value]}), "spec.routing.hosts[0]", "exact DNS name")
        for value in BAD_HOSTS
    ),
    case("one host twice", workspace(routing={"hosts": ["a.example.com"] * 2}), "spec.routing.hosts", "Duplicate"),
    case("33 hosts", workspace(routing={"hosts": [f"h{n}.example.com" for n in range(33)]}), "spec.routing.hosts"),
    case(
        "33 egress rules",
        workspace(network={"egress": [{"cidr": "10.0.0.0/8", "ports": PORTS}] * 33}),
        "spec.network.egress",
        "32",
    ),
]

DEPLOYMENTS = [
    *(
        case(f"the own host {value!r}", deployment(routing={"host": value}), "spec.routing.host", "exact DNS name")
        for value in BAD_HOSTS
    ),
    *(
        case(f"the collector {value!r}", tracing(endpoint=value), "spec.observability.tracing.endpoint")
        for value in ("collector:4318", "ftp://c", "http://user:planted@c", "http://c?key=planted", "http://c d", "")
    ),
    case("tracing to nowhere", deployment(observability={"tracing": {}}), "tracing.endpoint", "Required"),
    case("no trace at all", tracing(samplePercent=0), "samplePercent", "greater than or equal to 1"),
    case("more traces than there are", tracing(samplePercent=101), "samplePercent", "less than or equal to 100"),
    case("half a trace", tracing(samplePercent=0.5), "samplePercent", "integer"),
    case("an unknown field of tracing", tracing(protocol="grpc"), "unknown field", "tracing.protocol"),
    case(
        "the sampler twice",
        tracing({"name": "OTEL_TRACES_SAMPLER", "value": "always_on"}),
        "leave those OTEL_ variables out of spec.env",
    ),
    case("events that go nowhere", deployment(events={}), "spec.events.redis", "Required"),
    case("a Redis without a URL", events({"caSecretRef": SECRET}), "spec.events.redis.urlSecretRef", "Required"),
    case(
        "a URL of a Redis in clear text",
        events({"url": "redis://planted@redis"}),
        'unknown field "spec.events.redis.url"',
    ),
    case(
        "an operator's Secret as the URL of a Redis",
        events({"urlSecretRef": {"name": "agentos-database", "key": "url"}}),
        "spec.events.redis.urlSecretRef",
        "are the operator's",
    ),
    case(
        "an operator's Secret as the authorities of a Redis",
        events({"urlSecretRef": SECRET, "caSecretRef": {"name": "agentos-jwt", "key": "ca"}}),
        "spec.events.redis.caSecretRef",
        "are the operator's",
    ),
    case(
        "a Secret of another namespace as the URL of a Redis",
        events({"urlSecretRef": SECRET | {"namespace": "ws-other"}}),
        'unknown field "spec.events.redis.urlSecretRef.namespace"',
    ),
    case("a stream of almost no events", events(maxLength=99), "maxLength", "greater than or equal to 100"),
    case("a stream of all events", events(maxLength=1000001), "maxLength", "less than or equal to 1000000"),
    case("a webhook for events", events(webhook={"url": "https://e"}), 'unknown field "spec.events.webhook"'),
    case("two own hosts", deployment(routing={"host": ["a.example.com", "b.example.com"]}), "spec.routing.host"),
    case("a deployment without a spec", without_spec(deployment()), "spec: Required value"),
    case("a deployment with an empty spec", {**deployment(), "spec": {}}, "spec.agents is missing"),
    *(
        case(f"an application of one's own with {field}", {**deployment(), "spec": own | {field: value}}, "spec.agents")
        for own in ({"image": "registry.example.com/agents/own:1"}, {})
        for field, value in (
            ("teams", [{"id": "t", "model": {"id": "openai-chat:m"}, "members": ["helper"]}]),
            ("workflows", [{"id": "w", "steps": [{"name": "s"}]}]),
        )
    ),
    *(
        case(f"bodies of {value!r}", limits(requestBody=value), "spec.limits.requestBody")
        for value in ("0Mi", "101Mi", "102401Ki", "10M", "10", "-1Mi", "1Gi", "", 10)
    ),
    *(
        case(f"{value} as {field}", limits(**{field: value}), f"spec.limits.{field}")
        for field, most in (
            ("concurrentRuns", 1000),
            ("concurrentRunsPerUser", 1000),
            ("requestsPerUserPerMinute", 100_000),
        )
        for value in (0, -1, most + 1, 10**30, 1.5, "20")
    ),
    case(
        "more runs for one user than for all",
        limits(concurrentRuns=5, concurrentRunsPerUser=6),
        "spec.limits.concurrentRunsPerUser must not be more than spec.limits.concurrentRuns",
    ),
    case("a limit that does not exist", limits(headers=1), "spec.limits.headers"),
    case("limits of nothing", limits(), "spec.limits"),
    case(
        "fewer replicas at most than at least",
        autoscaling(minReplicas=4),
        "spec.autoscaling.minReplicas must not be more than maxReplicas",
    ),
    case(
        "autoscaling without an upper bound", deployment(autoscaling={"targetActiveRuns": 5}), "maxReplicas", "Required"
    ),
    case(
        "autoscaling by nothing",
        deployment(autoscaling={"maxReplicas": 3}),
        "needs targetCPUUtilizationPercentage, targetActiveRuns or both",
    ),
    *(
        case(
            f"autoscaling of {value} replicas",
            {**autoscaling(), "spec": {**autoscaling()["spec"], "replicas": value}},
            "spec.replicas must be left out while spec.autoscaling is set",
        )
        for value in (0, 2, 3)
    ),
    *(
        case(f"{value} as {field}", autoscaling(**{field: value}), f"spec.autoscaling.{field}")
        for field, most in (
            ("minReplicas", 100),
            ("maxReplicas", 100),
            ("targetCPUUtilizationPercentage", 1000),
            ("targetActiveRuns", 1000),
        )
        for value in (0, -1, most + 1, 10**6, 1.5, "2")
    ),
    case("an unknown target", autoscaling(targetMemory=70), 'unknown field "spec.autoscaling.targetMemory"'),
    case("no agent", deployment(agents=[]), "spec.agents", "at least 1"),
    case("51 agents", deployment(agents=[agent(id=f"a{n}") for n in range(51)]), "spec.agents", "50"),
    case("two agents of one id", deployment(agents=[agent(), agent()]), "spec.agents[1]", "Duplicate value"),
    *(
        case(f"an agent called {value!r}", deployment(agents=[agent(id=value)]), "spec.agents[0].id")
        for value in ("", "Helper", "a/b", "../x", "a" * 64, "-a", "a_b")
    ),
    case("an agent without a model", deployment(agents=[{"id": "helper"}]), "spec.agents[0].model: Required value"),
    case("a model without an id", deployment(agents=[agent(model={})]), "spec.agents[0].model.id: Required value"),
    *(
        case(f"the model {value!r}", model(id=value), "spec.agents[0].model.id")
        for value in ("gpt-4o-mini", ":gpt-4o", "openai-chat:", "openai-chat: gpt", "OpenAI:gpt", "", "a b:c")
    ),
    *(
        case(f"the address {value!r}", model(baseURL=value), "spec.agents[0].model.baseURL")
        for value in (
            "http://user:planted@models.example.com/v1",
            "https://token@models.example.com",
            "models.example.com/v1",
            "ftp://models.example.com",
            "file:///etc/passwd",
            "http://",
            "http://a b",
            "",
        )
    ),
    case(
        "the operator's own Secret", model(apiKeySecretRef={"name": "agentos-jwt", "key": "secret"}), "apiKeySecretRef"
    ),
    case(
        "the operator's own Secret as a variable",
        env({"name": "A", "secretKeyRef": {"name": "agentos-database", "key": "url"}}),
        "spec.env[0].secretKeyRef",
    ),
    case("a Secret without a key", model(apiKeySecretRef={"name": "s"}), "apiKeySecretRef.key: Required value"),
    case("a Secret without a name", model(apiKeySecretRef={"key": "k"}), "apiKeySecretRef.name: Required value"),
    *(
        case(f"a key called {value!r}", model(apiKeySecretRef={"name": "s", "key": value}), "apiKeySecretRef.key")
        for value in ("", "..", "../../etc/passwd", ".hidden", "a/b")
    ),
    *(
        case(f"a Secret called {value!r}", model(apiKeySecretRef={"name": value, "key": "k"}), "apiKeySecretRef.name")
        for value in ("", "..", "other/secret", "Upper", "a.b")
    ),
    *(
        case(f"{value} replicas", deployment(replicas=value), "spec.replicas")
        for value in (-1, 101, 10**6, 2**40, 1.5, "two")
    ),
    *(
        case(f"the image {value!r}", deployment(image=value), "spec.image")
        for value in ("", "a b", "-x", "a\nb", "$(x)")
    ),
    *(
        case(f"pod {side} of {value!r} {unit}", resources(**{side: {unit: value}}), f"spec.resources.{side}.{unit}")
        for side in ("requests", "limits")
        for unit, value in (("cpu", "-1"), ("cpu", "1e30"), ("cpu", "0"), ("memory", "-1"), ("memory", "1e30"))
    ),
    case(
        "a pod that requests more CPU than it may use",
        resources(requests={"cpu": "2"}, limits={"cpu": "1999m"}),
        "spec.resources.requests.cpu must not be more than spec.resources.limits.cpu",
    ),
    case(
        "a pod that requests more memory than it may use",
        resources(requests={"memory": "1Gi"}, limits={"memory": "1G"}),
        "spec.resources.requests.memory must not be more than spec.resources.limits.memory",
    ),
    case("a variable twice", env({"name": "A", "value": "1"}, {"name": "A", "value": "2"}), "spec.env[1]", "Duplicate"),
    *(
        case(f"the reserved variable {name}", env({"name": name, "value": "x"}), "spec.env[0]", "reserved")
        for name in RESERVED_VARIABLES
    ),
    case(
        "a variable with value and Secret",
        env({"name": "A", "value": "x", "secretKeyRef": SECRET}),
        "spec.env[0]",
        "exactly one of value and secretKeyRef",
    ),
    case("a variable with neither", env({"name": "A"}), "spec.env[0]", "exactly one of value and secretKeyRef"),
    *(
        case(f"a variable called {name!r}", env({"name": name, "value": "x"}), "spec.env[0].name")
        for name in ("", "1A", "A-B", "A=B", "A B", "Ä")
    ),
    case("a variable without a name", env({"value": "x"}), "spec.env[0].name: Required value"),
    case("a toolkit that is a path", deployment(agents=[agent(tools=[{"toolkit": "../os"}])]), "tools[0].toolkit"),
    case("a toolkit of another module", deployment(agents=[agent(tools=[{"toolkit": "os.path"}])]), "tools[0].toolkit"),
    case(
        "a function to confirm twice",
        deployment(agents=[agent(tools=[{"toolkit": "calculator", "requiresConfirmation": ["a", "a"]}])]),
        "requiresConfirmation[1]",
        "Duplicate value",
    ),
    case(
        "a function to approve twice",
        deployment(agents=[agent(tools=[{"toolkit": "calculator", "requiresApproval": ["a", "a"]}])]),
        "requiresApproval[1]",
        "Duplicate value",
    ),
    case(
        "a function to approve without a name",
        deployment(agents=[agent(tools=[{"toolkit": "calculator", "requiresApproval": [""]}])]),
        "requiresApproval[0]",
    ),
    case(
        "options that are no map",
        deployment(agents=[agent(tools=[{"toolkit": "calculator", "options": ["x"]}])]),
        "tools[0].options",
        "object",
    ),
    case("a history of no runs", deployment(agents=[agent(numHistoryRuns=0)]), "spec.agents[0].numHistoryRuns"),
    case("a history of 101 runs", deployment(agents=[agent(numHistoryRuns=101)]), "spec.agents[0].numHistoryRuns"),
    case("one instruction as text", deployment(agents=[agent(instructions="Be brief.")]), "agents[0].instructions"),
    case("a history in words", deployment(agents=[agent(addHistoryToContext="yes")]), "agents[0].addHistoryToContext"),
]

SCHEDULES = [
    scheduled("a schedule of nobody", "give exactly one of agent, team and workflow", agent=None),
    scheduled("a schedule of two", "give exactly one of agent, team and workflow", team="desk"),
    scheduled("a schedule without a time", "schedules[0].cron", cron=None),
    scheduled("a schedule without a message", "schedules[0].message", message=None),
    scheduled("a time of four fields", "schedules[0].cron", cron="0 9 * *"),
    scheduled("a time of six fields", "schedules[0].cron", cron="0 0 9 * * *"),
    scheduled("a time by a name", "schedules[0].cron", cron="@midnight"),
    scheduled("a schedule's id in upper case", "schedules[0].id", id="Digest"),
    scheduled("a schedule's id with a dot", "schedules[0].id", id="daily.digest"),
    scheduled("a service account as a schedule's user", "spec.schedules[0].user", user="sa:robot"),
    scheduled("agno's scheduler as a schedule's user", "spec.schedules[0].user", user="__scheduler__"),
    scheduled("a mistyped field of a schedule", "spec.schedules[0].timeZone", timeZone="UTC"),
    case("two schedules of one id", deployment(schedules=[DIGEST, DIGEST]), "spec.schedules[1]", "Duplicate value"),
    case("an empty list of schedules", deployment(schedules=[]), "spec.schedules", "at least 1"),
    case(
        "a twenty-first schedule",
        deployment(schedules=[DIGEST | {"id": f"digest-{number}"} for number in range(21)]),
        "spec.schedules",
        "at most 20",
    ),
]
UNKNOWN = [
    case("an unknown field", workspace(displyName="x"), 'unknown field "spec.displyName"'),
    case("a field in another case", workspace(deletionpolicy="Delete"), 'unknown field "spec.deletionpolicy"'),
    case("a map of annotations", workspace(annotations={"a": "b"}), 'unknown field "spec.annotations"'),
    case("storage classes", quota(storage="1Gi"), 'unknown field "spec.quota.storage"'),
    knowledge(
        "an embedder of nobody", "spec.knowledge[0].embedder.id", embedder={"id": "cohere:embed", "dimensions": 9}
    ),
    knowledge("an embedder of unknown size", "dimensions is missing", embedder={"id": "openai:bge-m3"}),
    knowledge(
        "an embedder's address with a password", "baseURL", embedder={"id": "openai:x", "baseURL": "http://a:b@c"}
    ),
    knowledge("a source of no kind", "exactly one of configMap and url", sources=[{}]),
    knowledge("a source over http from the internet", "sources[0].url", sources=[{"url": "http://example.com/a"}]),
    knowledge(
        "a source of a Service with a password", "sources[0].url", sources=[{"url": "http://a:b@docs.tools.svc/a"}]
    ),
    knowledge("a thousand results", "maxResults", maxResults=1000),
    mcp("stdio, which would start a program", "must be streamable-http or sse; stdio would start", transport="stdio"),
    mcp("credentials in the address of a server", "mcp.url", url="http://me:secret@docs/mcp"),
    mcp(
        "a header of a server by value and from a Secret",
        "exactly one of value and secretKeyRef",
        headers=[{"name": "X-Key", "value": "x", "secretKeyRef": {"name": "docs", "key": "key"}}],
    ),
    case("a tool that is neither toolkit nor server", tools({}), "give exactly one of toolkit, mcp and openapi"),
    case(
        "a tool that is both", tools({"toolkit": "sleep", "mcp": MCP}), "give exactly one of toolkit, mcp and openapi"
    ),
    case("options of a server", tools({"mcp": MCP, "options": {}}), "an MCP server and an API have none"),
    case("two APIs of one name", tools({"openapi": API}, {"openapi": API}), "two APIs must not have the same name"),
    openapi("credentials in the address of an API", "openapi.baseURL", baseURL="http://me:secret@shop"),
    openapi("an API of two documents", "exactly one of configMap and inline", document={}),
    openapi(
        "a token and a password",
        "at most one of bearerTokenSecretRef and basicAuth",
        bearerTokenSecretRef=SECRET,
        basicAuth={"username": "me", "passwordSecretRef": SECRET},
    ),
    openapi("an answer without an end", "maxResponseBytes", maxResponseBytes=2**30),
    case("two servers of one name", tools({"mcp": MCP}, {"mcp": MCP}), "must not have the same name"),
    case("a toolkit twice", tools({"toolkit": "sleep"}, {"toolkit": "sleep"}), "must not be listed twice"),
    case("a field beside spec", workspace() | {"data": {}}, 'unknown field "data"'),
    case(
        "a Secret of another namespace",
        model(apiKeySecretRef=SECRET | {"namespace": "ws-other"}),
        'unknown field "spec.agents[0].model.apiKeySecretRef.namespace"',
    ),
    case(
        "a variable from another namespace",
        env({"name": "A", "secretKeyRef": SECRET | {"namespace": "ws-other"}}),
        'unknown field "spec.env[0].secretKeyRef.namespace"',
    ),
    *(
        case(f"{field} of the pod", deployment() | {"spec": {"agents": [agent()], field: {}}}, f'field "spec.{field}"')
        for field in (
            "annotations",
            "podSpec",
            "serviceAccountName",
            "securityContext",
            "hostNetwork",
            "volumes",
            "tolerations",
            "host",
        )
    ),
    case(
        "a mistyped agent's field", deployment(agents=[agent(instruction=["x"])]), 'field "spec.agents[0].instruction"'
    ),
]


@pytest.mark.parametrize(("body", "words"), [*NAMES, *WORKSPACES, *DEPLOYMENTS, *SCHEDULES, *UNKNOWN])
def test_it_is_refused_with_a_message_that_names_the_field(
    api_server: ApiServer, namespace: str, body: Object, words: tuple[str, ...]
) -> None:
    with pytest.raises(RefusedError) as caught:
        api_server.create(body)
    assert 400 <= caught.value.status < 500
    for word in words:
        assert word in str(caught.value)
    assert "unexpected" not in str(caught.value).lower(), "that is how a rule reads that itself went wrong"


def rules(schema: Object) -> Iterator[str]:
    """Messages of the rules in CEL, which `agentosctl validate` does not know."""
    yield from (str(rule["message"]) for rule in schema.get("x-kubernetes-validations", ()))
    for each in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from rules(each)


RULES = {
    message
    for path in CRDS.glob("*.yaml")
    for version in yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]["versions"]
    for message in rules(version["schema"]["openAPIV3Schema"])
}


@pytest.mark.parametrize("body", [each.values[0] for each in (*NAMES, *WORKSPACES, *DEPLOYMENTS, *UNKNOWN)])
def test_what_no_rule_refuses_agentosctl_refuses_without_a_cluster(
    api_server: ApiServer, namespace: str, body: Object
) -> None:
    with pytest.raises(RefusedError) as caught:
        api_server.create(body)
    if not any(message in str(caught.value) for message in RULES):
        with pytest.raises(Invalid):
            validate([Document("x.yaml:1", body)])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (workspace("unknown-a", displyName="x"), ".spec.displyName"),
        (deployment("unknown-b", annotations={"a": "b"}), ".spec.annotations"),
        (
            deployment(
                "unknown-c", agents=[agent(model={"id": "a:b", "apiKeySecretRef": SECRET | {"namespace": "x"}})]
            ),
            "namespace",
        ),
    ],
)
def test_a_server_side_apply_refuses_unknown_fields_even_if_nobody_asked_it_to_be_strict(
    api_server: ApiServer, namespace: str, body: Object, field: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        api_server.apply(body, strict=False)
    assert f"{field}: field not declared in schema" in str(caught.value)


@pytest.mark.parametrize("flags", [[], ["--server-side"]], ids=["client side", "server side"])
def test_kubectl_apply_refuses_an_unknown_field_and_names_it(
    api_server: ApiServer, fresh_name: Callable[[], str], flags: list[str]
) -> None:
    name = fresh_name()
    text = yaml.safe_dump(workspace(name, displyName="x"))
    done = api_server.kubectl("apply", *flags, "-f", "-", text=text, check=False)
    assert done.returncode != 0
    assert "displyName" in done.stderr
    assert api_server.get("Workspace", name) is None


def test_two_variables_of_one_name_are_refused_by_a_server_side_apply_as_well(
    api_server: ApiServer, namespace: str
) -> None:
    with pytest.raises(RefusedError, match=r"spec\.env.*A"):
        api_server.apply(env({"name": "A", "value": "1"}, {"name": "A", "value": "2"}))


@pytest.mark.parametrize("database", [{"server": "frankfurt"}, {}, None])
def test_a_workspace_cannot_be_moved_to_another_server_nor_lose_its_server(
    api_server: ApiServer, fresh_name: Callable[[], str], database: Object | None
) -> None:
    name = fresh_name()
    stored = api_server.create(workspace(name, database={"server": "paris"}))
    change = {**stored, "spec": {**stored["spec"], "database": database}}
    with pytest.raises(RefusedError, match=r"spec\.database\.server is immutable; data does not move"):
        api_server.request("PUT", f"/apis/agentos.hyvve.io/v1alpha1/workspaces/{name}", change)


def test_a_workspace_of_a_megabyte_is_refused(api_server: ApiServer, fresh_name: Callable[[], str]) -> None:
    rules = [{"cidr": "10.0.0.0/8", "ports": [{"port": 443}], "podLabels": {"a": "x" * 1_000_000}}]
    with pytest.raises(RefusedError) as caught:
        api_server.create(workspace(fresh_name(), network={"egress": rules}))
    assert caught.value.status == 422
    assert "spec.network.egress[0].podLabels" in str(caught.value)


def test_a_spec_too_large_for_the_store_is_refused(api_server: ApiServer, namespace: str) -> None:
    instructions = ["x" * 8192] * 64
    body = deployment(agents=[agent(id=f"a{number}", instructions=instructions) for number in range(3)])
    with pytest.raises(RefusedError, match="request is too large"):
        api_server.create(body)
