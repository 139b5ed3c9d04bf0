"""What the schemas say in CEL, and what only somebody who knows the fields would write.

``FIXED`` has values by the last one or two names of a field's path; ``obey`` brings an object or a list into line with
the rules that stand at it. What escapes both is refused by the API server, which is a result like another.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.generated.values import anything, mapping
from tests.unit.runtime.signing import ED25519, P256, RSA, pem

IDS = ("a", "support", "team", "flow", "x" * 63)
MODELS = ("model", "fallbackModels", "reasoningModel", "parserModel", "outputModel", "followupModel")
_JUNK = b64encode(b"no key at all").decode()
PUBLIC_KEYS = (
    *(pem(key) for key in (RSA, P256, ED25519)),
    f"-----BEGIN PUBLIC KEY-----\n{_JUNK}\n-----END PUBLIC KEY-----\n",
    f"  -----BEGIN RSA PUBLIC KEY-----{_JUNK}-----END RSA PUBLIC KEY-----  ",
)
FORMS: tuple[dict[str, Any], ...] = (
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"answer": {"type": "string", "enum": ["yes", "no"]}}, "required": ["answer"]},
    {
        "type": "object",
        "title": "Ω x",
        "properties": {"a b": {"type": "integer", "minimum": 0}, "class": {"type": "null"}},
    },
    {"type": "object", "properties": {"me": {"$ref": "#"}}},
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/nothing"}}},
    {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
    {"type": "object", "properties": {"a": {"anyOf": []}, "b": {"type": ["string", "null"]}, "_c": {"const": 1}}},
    {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object", "properties": {"b": {}}}}}},
)
Make = Callable[[Random], Any]


def _one(*choices: Any) -> Make:
    return lambda r: r.choice(choices)


_TIMEZONES = _one(
    "UTC", "Europe/Berlin", "Europe/Berlin", "Europe/Berlln", "Etc/GMT+12", "../etc/passwd", "posix/UTC", " UTC"
)
_MODELS = _one(
    *(
        "openai-chat:gpt-4o-mini openai-chat:gpt-4o-mini openai-responses:gpt-5 openai-chatt:x openai-chat:a:b:c"
    ).split(),
    *("anthropic:claude-sonnet-4-0", "openai-chat:ä", "openai-chat:\u00a0", "openai-like:x", "a:" + "m" * 254),
)
_SECRETS = _one("models", "0", "k" * 63)
_IDS = _one(*IDS)


def _options(*known: str) -> Make:
    """Of a constructor: mostly none, sometimes of its names, with values of any kind."""
    return lambda r: {r.choice(known): anything(r) for _ in range(r.choice((0, 0, 0, 1, 2)))}


def _model_options(r: Random) -> dict[str, Any]:
    usual = (
        {},
        {},
        {"temperature": 0.2},
        {"temperature": "hot"},
        {"max_tokens": 2**63 - 1},
        {"seed": True},
        {"client": None},
    )
    return r.choice(
        (r.choice(usual), _options("temperature", "top_p", "extra_body", "modalities", "timeout", "role_map", "x")(r))
    )


def _functions(r: Random) -> list[str]:
    return r.sample(("add", "divide", "sleep", "nothing", "🙂"), r.choice((0, 0, 1, 2)))


_EXPRESSIONS = (
    "true",
    "input == 'x'",
    "(",
    "1",
    "size(input) > 3 ? 'a' : 'b'",
    "ä",
    "x" * 5000,
    "[" * 300,
    "\x00",
    "a.b(c)",
)


def _step(r: Random, depth: int = 0) -> dict[str, Any]:
    step: dict[str, Any] = {"name": r.choice("abcdefgh")}
    kind = (
        r.choice(("Step", "Step", "Step", "Steps", "Parallel", "Condition", "Loop", "Router")) if depth < 3 else "Step"
    )
    if kind == "Step":
        step |= r.choice(
            ({"agent": "a"}, {"agent": "a"}, {"agent": "a"}, {"team": "team"}, {"workflow": "flow"}, mapping(r))
        )
        step |= r.choice(({}, {}, {"onError": "skip"}, {"maxRetries": 10}, {"numHistoryRuns": 0}, {"type": "Step"}))
        return {**step, "name": step["name"] or "x"}
    inside = [_step(r, depth + 1) for _ in range(r.choice((1, 1, 2, 3)))]
    step |= {"type": kind, "choices" if kind == "Router" else "steps": inside}
    for of, field in (("Condition", "evaluator"), ("Router", "selector"), ("Loop", "endCondition")):
        if kind == of:
            step[field] = r.choice(_EXPRESSIONS)
    return step


FIXED: Mapping[str, Make] = {
    # Workspace
    "database.server": _one("default", "default", "default", "default", "another"),
    "quota.profile": _one("small", "standard", "large", "none-such"),
    "rotation.interval": _one(*"25h 720h 999999h 999999h999999m999999s 60m 3600s 48h0m0s".split()),
    "auth.maxTokenLifetime": _one(*"24h 1m 60s 86400s 0h1m 23h59m59s 000024h".split()),
    "publicKey": _one(*PUBLIC_KEYS),
    "egress.cidr": _one(
        *"10.0.0.0/8 10.20.0.1/16 0.0.0.0/0 255.255.255.255/32 ::/0 fd00::/8 2001:DB8::/32 ::1/128 fe80::1:2/64".split()
    ),
    "podLabels.key": _one(*"app a/b app.kubernetes.io/name a..b/c a.-b/c A_b.C 0".split(), "x" * 63, "p" * 253 + "/x"),
    "jwksURI": _one(
        *"https://app.example.com/api/auth/jwks https://a.b:443/ https://a.b:99999/x https://a.b:0 https://a.bc/?a=b&c".split(),
        *"http://api.hyvve.svc/jwks http://api.hyvve.svc.cluster.local:8080/jwks http://api.hyvve.svc:00000".split(),
        *"https://a.bc/[ https://a.bc/% https://a.b.xn--p1ai/ https://api.hyvve.svc.cluster.local/x".split(),
        "https://a.b/" + "x" * 1000,
    ),
    # AgentDeployment
    "id": _IDS,
    **{f"{field}.id": _MODELS for field in MODELS},
    **{f"{field}.options": _model_options for field in MODELS},
    "embedder.id": _one("openai:text-embedding-3-small", "openai:bge-m3", "together:x", "nebius:" + "y" * 249),
    **{f"{part}.knowledge": _IDS for part in ("agents", "teams")},
    "tools.toolkit": _one(
        *"calculator calculator duckduckgo sleep mcp mcp_toolbox file shell calculater".split(), "z" * 63
    ),
    "tools.options": _options(
        *"include_tools exclude_tools cache_results instructions x url command add_instructions".split()
    ),
    **{f"tools.{field}": _functions for field in ("requiresConfirmation", "requiresApproval")},
    "guardrails.options": lambda r: r.choice(({}, {"mask_pii": True}, mapping(r))),
    **{field: lambda r: r.choice((*FORMS, mapping(r))) for field in ("inputSchema", "outputSchema")},
    **{field: _TIMEZONES for field in ("timezoneIdentifier", "schedules.timezone")},
    "schedules.cron": _one(
        *("0 9 * * mon-fri", "* * * * *", "*/5 0-23/2 1,15 * *", "0 0 30 2 *", "0 0 29 2 *", "59 23 31 12 7"),
        *("\t0  0 1 1 0 ", "60 * * * *", "0 0 * * x", "a-b/c * * * *", "*/0 * * * *", "0 0 * * sun-mon"),
    ),
    "teams.members": lambda r: r.sample(IDS, r.randint(1, 3)),
    "workflows.steps": lambda r: [_step(r) for _ in range(r.randint(1, 3))],
    **{f"{field}.name": _SECRETS for field in ("secretKeyRef", "apiKeySecretRef", "urlSecretRef", "caSecretRef")},
    "configMap.name": _one("texts", "a..b", "a.-b", "t" * 253),
}


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
        if not part.get("knowledge"):
            for field in ("searchKnowledge", "addSearchKnowledgeInstructions", "addKnowledgeToContext"):
                part.pop(field, None)


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
    unique = {(each.get("toolkit"), (each.get("mcp") or {}).get("name")): each for each in tools}
    tools[:] = unique.values()
    for each in tools:
        if "mcp" in each:
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
