"""An AgentDeployment, parsed once. What it says about agents stays opaque here: the runtime compiles it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentos_operator.resources.common import Meta, Owner, SecretKey, parse_meta, quantities

_CONTENT = ("agents", "teams", "workflows", "schedules", "knowledge", "limits")
NOT_ROLLED = ("replicas", "autoscaling", "suspended", "routing")
"""Fields that say how many pods there are and where callers find them, not what they run."""
_MODELS = ("model", "reasoningModel", "parserModel", "outputModel", "followupModel")
"""Fields of agents and teams that name a model; fallbackModels names several, fallbackConfig lists of them."""
_MANAGERS = ("memoryManager", "sessionSummaryManager", "compressionManager", "learning")
"""Fields of agents and teams whose own field `model` names one."""


@dataclass(frozen=True)
class EnvironmentVariable:
    """One entry of ``spec.env``: exactly one of ``value`` and ``secret`` is set."""

    name: str
    value: str | None
    secret: SecretKey | None


@dataclass(frozen=True)
class Resources:
    """Requests and limits of one pod, as Kubernetes quantities."""

    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True)
class Tracing:
    """``spec.observability.tracing``."""

    endpoint: str
    sample_percent: int
    content: bool


@dataclass(frozen=True)
class Redis:
    """Where events go, and what replicas share their runs through."""

    url: SecretKey
    authorities: SecretKey | None
    events_max_length: int


@dataclass(frozen=True)
class Autoscaling:
    """``spec.autoscaling``; at least one of the targets is set."""

    min_replicas: int
    max_replicas: int
    cpu_percent: int | None
    active_runs: int | None


@dataclass(frozen=True)
class AgentDeployment:
    """One runtime of a workspace."""

    meta: Meta
    namespace: str
    image: str | None
    replicas: int
    host: str | None
    """``spec.routing.host``, a host of its own."""
    suspended: bool
    """Whether it is to be stopped by itself; its Workspace can be suspended as well."""
    resources: Resources
    env: tuple[EnvironmentVariable, ...]
    redis: Redis | None
    content: Mapping[str, Any]
    """What the runtime compiles, untouched: agents and what else of `_CONTENT` the spec has."""
    rolled: Mapping[str, Any]
    """The spec without what ``NOT_ROLLED`` names: what a revision consists of, and an undo brings back."""
    content_keys: tuple[SecretKey, ...]
    """Secrets that models, embedders, MCP servers and APIs name, without repetition, in a stable order."""
    config_maps: Mapping[str, tuple[str, ...]]
    """ConfigMaps with texts or documents of APIs, by name; the keys that are named, none where all are."""
    documents: frozenset[str] = frozenset()
    """Those of them that pods read once, as they start."""
    mcp_servers: tuple[str, ...] = ()
    """Names of the MCP servers of agents and teams, without repetition, in a stable order."""
    tracing: Tracing | None = None
    """Where traces go; None for nowhere."""
    autoscaling: Autoscaling | None = None
    """Between which numbers of pods an autoscaler decides; None where ``replicas`` does."""

    @property
    def is_application(self) -> bool:
        """Whether the image is an application of the tenant's own that knows nothing of agents in YAML."""
        return "agents" not in self.content

    @property
    def is_asked(self) -> bool:
        """Whether its pods are asked for their state: which MCP servers they can use, or what version an image is."""
        return bool(self.mcp_servers) or self.image is not None

    @property
    def most_replicas(self) -> int:
        """As many pods as there may be at once, but for those of a roll-out."""
        return self.autoscaling.max_replicas if self.autoscaling else self.replicas

    @property
    def name(self) -> str:
        """``metadata.name``."""
        return self.meta.name

    @property
    def owner(self) -> Owner:
        """The AgentDeployment as the owner of its children."""
        return Owner("AgentDeployment", self.meta.name, self.meta.uid)

    @property
    def secret_keys(self) -> tuple[SecretKey, ...]:
        """Every Secret key that must exist before a pod can start."""
        variables = (v.secret for v in self.env if v.secret is not None)
        return tuple(sorted({*self.file_keys, *variables, *([self.redis.url] if self.redis else [])}))

    @property
    def file_keys(self) -> tuple[SecretKey, ...]:
        """Secret keys that pods read as files, in a stable order."""
        authorities = self.redis.authorities if self.redis else None
        return tuple(sorted({*self.content_keys, *([authorities] if authorities else [])}))


def parse_agent_deployment(body: Mapping[str, Any]) -> AgentDeployment:
    """Read an AgentDeployment as the API server stores it: checked by the schema, with defaults."""
    spec = body["spec"]
    return AgentDeployment(
        meta=parse_meta(body["metadata"]),
        namespace=body["metadata"]["namespace"],
        image=spec.get("image"),
        replicas=spec["replicas"],
        host=spec.get("routing", {}).get("host"),
        suspended=spec["suspended"],
        resources=Resources(quantities(spec["resources"]["requests"]), quantities(spec["resources"]["limits"])),
        env=tuple(_parse_variable(variable) for variable in spec.get("env", ())),
        redis=_parse_events(spec["events"]) if "events" in spec else None,
        content={name: spec[name] for name in _CONTENT if spec.get(name)},
        rolled={name: value for name, value in spec.items() if name not in NOT_ROLLED},
        content_keys=tuple(sorted(set(_all_keys(spec)))),
        config_maps=_config_maps([*_sources(spec), *_documents(spec)]),
        documents=frozenset(reference["name"] for reference in _documents(spec)),
        mcp_servers=tuple(sorted(set(_mcp_servers((*spec.get("agents", ()), *spec.get("teams", ())))))),
        tracing=_parse_tracing(spec.get("observability", {}).get("tracing")),
        autoscaling=_parse_autoscaling(spec.get("autoscaling")),
    )


def _parse_autoscaling(spec: Mapping[str, Any] | None) -> Autoscaling | None:
    if spec is None:
        return None
    targets = spec.get("targetCPUUtilizationPercentage"), spec.get("targetActiveRuns")
    return Autoscaling(spec["minReplicas"], spec["maxReplicas"], *targets)


def _parse_tracing(tracing: Mapping[str, Any] | None) -> Tracing | None:
    return Tracing(tracing["endpoint"], tracing["samplePercent"], tracing["content"]) if tracing else None


def _parse_variable(variable: Mapping[str, Any]) -> EnvironmentVariable:
    return EnvironmentVariable(variable["name"], variable.get("value"), _secret_key(variable.get("secretKeyRef")))


def _parse_events(events: Mapping[str, Any]) -> Redis:
    redis = events["redis"]
    url = redis["urlSecretRef"]
    return Redis(SecretKey(url["name"], url["key"]), _secret_key(redis.get("caSecretRef")), events["maxLength"])


def _secret_key(reference: Mapping[str, Any] | None) -> SecretKey | None:
    return SecretKey(reference["name"], reference["key"]) if reference else None


def _all_keys(spec: Mapping[str, Any]) -> Iterator[SecretKey]:
    yield from _content_keys((*spec.get("agents", ()), *spec.get("teams", ())))
    for knowledge in spec.get("knowledge", ()):
        if reference := knowledge["embedder"].get("apiKeySecretRef"):
            yield SecretKey(reference["name"], reference["key"])


def _sources(spec: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    """ConfigMaps with texts of knowledge."""
    for source in (source for each in spec.get("knowledge", ()) for source in each.get("sources", ())):
        if "configMap" in source:
            yield source["configMap"]


def _documents(spec: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    """ConfigMaps with documents of APIs."""
    for component in (*spec.get("agents", ()), *spec.get("teams", ())):
        for tool in component.get("tools", ()):
            if "configMap" in (document := tool.get("openapi", {}).get("document", {})):
                yield document["configMap"]


def _config_maps(references: Iterable[Mapping[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """In a stable order, or pods would be replaced for nothing."""
    named: dict[str, set[str | None]] = {}
    for reference in references:
        named.setdefault(reference["name"], set()).add(reference.get("key"))
    return {
        name: () if None in keys else tuple(sorted(key for key in keys if key is not None))
        for name, keys in sorted(named.items())
    }


def _content_keys(components: Iterable[Mapping[str, Any]]) -> Iterator[SecretKey]:
    for component in components:
        yield from _tool_keys(component.get("tools", ()))
        for model in _models(component):
            if reference := model.get("apiKeySecretRef"):
                yield SecretKey(reference["name"], reference["key"])


def _models(component: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every model that an agent or a team names, wherever."""
    managers = (component[field] for field in _MANAGERS if field in component)
    yield from (component[field] for field in _MODELS if field in component)
    yield from (manager["model"] for manager in managers if "model" in manager)
    for models in (component.get("fallbackModels", ()), *component.get("fallbackConfig", {}).values()):
        yield from models


def _tool_keys(tools: Iterable[Mapping[str, Any]]) -> Iterator[SecretKey]:
    for tool in tools:
        server = tool.get("mcp") or tool.get("openapi") or {}
        headers = (header.get("secretKeyRef") for header in server.get("headers", ()))
        password = server.get("basicAuth", {}).get("passwordSecretRef")
        for reference in (*headers, server.get("bearerTokenSecretRef"), password):
            if reference:
                yield SecretKey(reference["name"], reference["key"])


def _mcp_servers(components: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for component in components:
        for tool in component.get("tools", ()):
            if "mcp" in tool:
                yield tool["mcp"]["name"]
