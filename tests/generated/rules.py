"""What the schemas say in CEL about objects and lists: what is generated is brought into line with it.

What escapes this is refused by the API server, which is a result like another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.generated.known import FIXED

OF_KNOWLEDGE = (
    *("searchKnowledge", "addSearchKnowledgeInstructions", "addKnowledgeToContext", "referencesFormat"),
    *("knowledgeFilters", "enableAgenticKnowledgeFilters", "updateKnowledge"),
)
NEEDS = {
    "memoryManager": "updateMemoryOnRun",
    "sessionSummaryManager": "enableSessionSummaries",
    "compressionManager": "compressToolResults",
}
"""Fields that say how something is done, and the one without which it is not."""

EXCLUDE = {"fallbackConfig": "fallbackModels", "knowledgeFilters": "enableAgenticKnowledgeFilters"}


def obey(r: Random, path: tuple[str, ...], value: Any) -> Any:
    """``value``, with what its rules forbid taken out or put right."""
    known = LIST_REPAIRS if isinstance(value, list) else REPAIRS
    repair = known.get(".".join(path[-2:])) or known.get(path[-1])
    if repair is not None:
        repair(r, value)
    return value


def _workspace(r: Random, spec: dict[str, Any]) -> None:
    """A Service that publishes keys may be called."""
    issuers = (spec.get("auth") or {}).get("issuers") or ()
    if any(".svc" in each.get("jwksURI", "") for each in issuers):
        network = spec["network"] = spec.get("network") or {}
        network["egress"] = [*(network.get("egress") or ()), {"namespace": "hyvve", "ports": [{"port": 8080}]}]


def _deployment(r: Random, spec: dict[str, Any]) -> None:
    if not spec.get("agents") and not r.random() < 0.9:
        spec.setdefault("image", "registry.example.com/ours:1")
        for each in ("agents", "teams", "workflows", "schedules", "knowledge"):
            spec.pop(each, None)
    elif not spec.get("agents"):
        spec["agents"] = [{"id": "a", "model": {"id": "openai-chat:gpt-4o-mini"}}]
    if spec.get("autoscaling"):
        spec.pop("replicas", None)
    _known_ids(r, spec)


def _known_ids(r: Random, spec: dict[str, Any]) -> None:
    """Mostly, who is named is there: a document that names nobody real is refused before anything else is tried."""
    if r.random() < 0.1:
        return
    agents = spec.get("agents") or []
    if not any(each["id"] == "a" for each in agents) and agents:
        agents[0]["id"] = "a"
    taken = {each["id"] for each in agents}
    for kind, spare in (("teams", "team"), ("workflows", "flow")):
        for number, each in enumerate(spec.get(kind) or ()):
            each["id"] = spare if number == 0 else f"{spare}-{number}"
    for team in spec.get("teams") or ():
        team["members"] = [*dict.fromkeys("a" if each not in taken else each for each in team["members"])]
    bodies = [each["id"] for each in spec.get("knowledge") or ()]
    for part in (*agents, *(spec.get("teams") or ())):
        if part.get("knowledge") and part["knowledge"] not in bodies:
            part.pop("knowledge")
        _fitting(part)


def _fitting(part: dict[str, Any]) -> None:
    """Fields that say nothing without another one, or against it, are left out or get it."""
    for field in OF_KNOWLEDGE if not part.get("knowledge") else ():
        part.pop(field, None)
    for field in (*NEEDS, "fallbackConfig", "learning"):
        if not part.get(field):
            part.pop(field, None)  # none that says nothing
    part |= {needs: True for field, needs in NEEDS.items() if field in part}
    if "learning" in part:
        part["learning"]["userMemory"] = True
    else:
        part.pop("addLearningsToContext", None)
    for field, other in EXCLUDE.items():
        if field in part:
            part.pop(other, None)


def _auth(_: Random, auth: dict[str, Any]) -> None:
    if (auth.get("rotation") or {}).get("interval") in ("60m", "3600s"):
        auth["maxTokenLifetime"] = "1m"


def _issuers(_: Random, issuers: list[dict[str, Any]]) -> None:
    """One generated secret, and no issuer twice."""
    generated = [each for each in issuers if each["type"] == "GeneratedSecret"]
    others = {each.get("issuer"): each for each in issuers if each["type"] != "GeneratedSecret"}
    issuers[:] = [*generated[:1], *others.values()]


def _issuer(r: Random, issuer: dict[str, Any]) -> None:
    key = [each for each in ("jwksURI", "publicKey", "publicKeySecretRef") if issuer.get(each) is not None]
    for each in ("jwksURI", "publicKey", "publicKeySecretRef"):
        issuer.pop(each, None)
    if issuer["type"] == "GeneratedSecret":
        for each in ("issuer", "audience", "workspaceClaim", "workspaceValue", "algorithms"):
            issuer.pop(each, None)
        return
    issuer["issuer"] = issuer.get("issuer") or r.choice(("https://app.example.com", "x", "$(AGENTOS_DATABASE_URL)"))
    issuer["algorithms"] = [each for each in issuer.get("algorithms") or () if each != "HS256"] or ["RS256", "EdDSA"]
    if issuer["type"] == "JWKS":
        issuer["jwksURI"] = FIXED["jwksURI"](r)
    elif key[:1] == ["publicKeySecretRef"]:
        issuer["publicKeySecretRef"] = {"name": "agentos-partner", "key": "public.pem"}
    else:
        issuer["publicKey"] = FIXED["publicKey"](r)


def _control_plane(r: Random, plane: dict[str, Any]) -> None:
    plane.pop("publicKeySecretRef", None)
    if plane.get("enabled"):
        plane["publicKey"] = FIXED["publicKey"](r)


def _resources(_: Random, resources: dict[str, Any]) -> None:
    """What is requested is small and what is allowed large, in whatever words."""
    for side, kept in (("requests", ("1m", "0.001", "0.5m", "1", "0.5", "64Mi", 1)), ("limits", None)):
        found = resources.get(side) or {}
        for unit in [unit for unit, each in found.items() if _is_odd(each, kept)]:
            del found[unit]


def _is_odd(quantity: Any, kept: tuple[Any, ...] | None) -> bool:
    small = (0, "0", "0m", "0Mi", 2**63, "1m", "0.001", "0.5m", "1", "0.5", "0.001k", 1, "64Mi", "00512Ki")
    return quantity in small if kept is None else quantity not in kept


def _autoscaling(r: Random, scaling: dict[str, Any]) -> None:
    if scaling.get("minReplicas") is not None:
        scaling["maxReplicas"] = max(scaling["maxReplicas"], scaling["minReplicas"])
    if not scaling.get("targetActiveRuns") and not scaling.get("targetCPUUtilizationPercentage"):
        scaling["targetActiveRuns"] = r.choice((1, 1000))


def _limits(r: Random, limits: dict[str, Any]) -> None:
    each, all_ = limits.get("concurrentRunsPerUser"), limits.get("concurrentRuns")
    if each and all_ and each > all_:
        limits["concurrentRunsPerUser"] = all_
    limits["requestBody"] = r.choice(("1Ki", "100Mi", "10Mi", "102400Ki", "512Ki"))


def _tools(r: Random, tools: list[dict[str, Any]]) -> None:
    named = [(each, each.get("mcp") or each.get("openapi") or {}) for each in tools]
    unique = {(each.get("toolkit"), place.get("name")): each for each, place in named}
    tools[:] = unique.values()
    for each in tools:
        if each.get("mcp"):
            each.pop("options", None)
            each["mcp"]["transport"] = r.choice(("streamable-http", "sse"))


def _embedder(r: Random, embedder: dict[str, Any]) -> None:
    if embedder["id"] != "openai:text-embedding-3-small" and not embedder.get("dimensions"):
        embedder["dimensions"] = r.choice((1, 16_000))


def _schedule(r: Random, schedule: dict[str, Any]) -> None:
    for each in ("agent", "team", "workflow"):
        schedule.pop(each, None)
    schedule[r.choice(("agent", "agent", "agent", "team", "workflow"))] = r.choice(("a", "a", "team", "flow"))


def _env(_: Random, env: list[dict[str, Any]]) -> None:
    for number, each in enumerate(env):
        if each["name"].startswith(("AGENTOS_", "LD_", "PYTHON", "OTEL_")) or each["name"] in ("PATH", "HOME"):
            each["name"] = f"N{number}"


def _egress(_: Random, opening: dict[str, Any]) -> None:
    if "namespace" not in opening:
        opening.pop("podLabels", None)


REPAIRS: Mapping[str, Callable[[Random, Any], None]] = {
    "Workspace": _workspace,
    "AgentDeployment": _deployment,
    "auth": _auth,
    "auth.issuers": _issuer,
    "controlPlane": _control_plane,
    "quota": _resources,
    "resources": _resources,
    "autoscaling": _autoscaling,
    "AgentDeployment.limits": _limits,
    "embedder": _embedder,
    "schedules": _schedule,
    "network.egress": _egress,
}
LIST_REPAIRS: Mapping[str, Callable[[Random, Any], None]] = {
    "auth.issuers": _issuers,
    "tools": _tools,
    "env": _env,
}
