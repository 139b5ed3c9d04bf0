"""Values that only somebody who knows the fields would write: what they name, and what their rules in CEL ask for."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from agentos_spec.catalogue import load_catalogue
from tests.generated.values import ODD, anything, mapping, words
from tests.unit.runtime.signing import ED25519, P256, RSA, pem

IDS = ("a", "support", "team", "flow", "x" * 63)
MODELS = (
    *("model", "fallbackModels", "reasoningModel", "parserModel", "outputModel", "followupModel"),
    *("onError", "onRateLimit", "onContextOverflow"),
)
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


def _mostly(good: Any, *others: Any) -> Make:
    """What stands in many places of a spec and is wrong in one keeps all of it from being served."""
    return lambda r: r.choice(others) if r.random() < 0.1 else good


_TIMEZONES = _mostly("Europe/Berlin", "UTC", "Europe/Berlln", "Etc/GMT+12", "../etc/passwd", "posix/UTC", " UTC")
_URLS = _mostly(
    "https://model.example.com/v1", "http://[", "http://a:99999/", "https://é/", "http://x?a=b", "http://a\u00a0b"
)
_MODELS = _mostly(
    "openai-chat:gpt-4o-mini",
    *words("openai-responses:gpt-4o openai-responses:gpt-5 openai-chatt:x openai-chat:a:b:c"),
    *("anthropic:claude-sonnet-4-0", "openai-chat:ä", "openai-chat:\u00a0", "openai-like:x", "a:" + "m" * 254),
)
_SECRETS = _one("models", "0", "k" * 63)
_IDS = _one(*IDS)


def _options(*known: str) -> Make:
    """Of a constructor: mostly none, sometimes of its names, with values of any kind."""
    return lambda r: {r.choice(known): anything(r) for _ in range(r.choice((0, 0, 0, 1, 2)))}


def _model_options(r: Random) -> dict[str, Any]:
    """Of OpenAI's models: any that agno has, with a value of any kind, and some that are right."""
    right = {"temperature": 0.2, "max_tokens": 2**63 - 1, "seed": 7, "timeout": 1.5, "top_p": 1, "modalities": ["text"]}
    taken = {name: right[name] for name in r.sample(sorted(right), r.choice((0, 0, 1, 2)))}
    wrong = sorted(load_catalogue().model_options("openai-chat"))
    return taken | r.choice(({}, {}, {r.choice(wrong): anything(r)}, {r.choice(("x", "tempratur", "_x")): anything(r)}))


def _form(r: Random) -> dict[str, Any]:
    """A JSON Schema, more or less."""
    odd = {"type": "object", "properties": {r.choice(ODD): anything(r), "a": mapping(r)}, **mapping(r)}
    return r.choice((*FORMS, *FORMS, mapping(r), odd, {**odd, "type": "object", "properties": {"a": mapping(r)}}))


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


_FIELDS: list[dict[str, Any]] = [{"name": "x", "fieldType": "int", "allowedValues": [1]}, {"name": "", "required": 1}]
_REVIEWS: tuple[dict[str, Any], ...] = (
    {"requiresConfirmation": True, "confirmationMessage": "x", "requiresApproval": True},
    {"requiresConfirmation": True, "onReject": "retry"},
    {"requiresOutputReview": True, "onReject": "retry", "maxRetries": 0},
    {"requiresUserInput": True},
    {"requiresUserInput": True, "userInputSchema": _FIELDS[:1]},
    {"requiresUserInput": True, "userInputSchema": _FIELDS},
    {"requiresUserInput": "yes", "allowMultipleSelections": True},
)


def _step(r: Random, depth: int = 0) -> dict[str, Any]:
    step: dict[str, Any] = {"name": r.choice("abcdefgh")}
    if r.random() < 0.2:
        step["humanReview"] = r.choice((*_REVIEWS, mapping(r)))
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
    "rotation.interval": _one(*words("25h 720h 999999h 999999h999999m999999s 60m 3600s 48h0m0s")),
    "auth.maxTokenLifetime": _one(*words("24h 1m 60s 86400s 0h1m 23h59m59s 000024h")),
    "publicKey": _one(*PUBLIC_KEYS),
    "egress.cidr": _one(
        *words("10.0.0.0/8 10.20.0.1/16 0.0.0.0/0 255.255.255.255/32 ::/0 fd00::/8 2001:DB8::/32 ::1/128 fe80::1:2/64")
    ),
    "podLabels.key": _one(*words("app a/b app.kubernetes.io/name a..b/c a.-b/c A_b.C 0"), "x" * 63, "p" * 253 + "/x"),
    "jwksURI": _one(
        *words(
            "https://app.example.com/api/auth/jwks https://a.b:443/ https://a.b:99999/x https://a.b:0 https://a.bc/?a=b&c"
        ),
        *words("http://api.hyvve.svc/jwks http://api.hyvve.svc.cluster.local:8080/jwks http://api.hyvve.svc:00000"),
        *words("https://a.bc/[ https://a.bc/% https://a.b.xn--p1ai/ https://api.hyvve.svc.cluster.local/x"),
        "https://a.b/" + "x" * 1000,
    ),
    # AgentDeployment
    "id": _IDS,
    **{f"{field}.id": _MODELS for field in MODELS},
    **{f"{field}.options": _model_options for field in MODELS},
    "baseURL": _URLS,
    "embedder.id": _one("openai:text-embedding-3-small", "openai:bge-m3", "together:x", "nebius:" + "y" * 249),
    **{f"{part}.knowledge": _IDS for part in ("agents", "teams")},
    "knowledgeFilters": _mostly({"source": "x"}, {"a b": 1, "c": True}, {}, {"a": [1]}, {"_agno": {"declared": "x"}}),
    "skills.name": _mostly("returns", "Returns", "a--b", "0", "s" * 64),
    "references.key": _one("terms.md", "terms.md", "../x", ""),
    "tools.toolkit": _one(
        *words("calculator calculator duckduckgo sleep mcp mcp_toolbox file shell calculater"), "z" * 63
    ),
    "tools.options": _options(
        *words("include_tools exclude_tools cache_results instructions x url command add_instructions")
    ),
    **{f"tools.{field}": _functions for field in ("requiresConfirmation", "requiresApproval")},
    "guardrails.options": lambda r: r.choice(({}, {"mask_pii": True}, mapping(r))),
    **dict.fromkeys(("preHooks", "postHooks", "toolHooks"), _mostly([], ["checks.polite"], ["a.b", "a.B"])),
    **dict.fromkeys(("inputSchema", "outputSchema"), _form),
    **dict.fromkeys(("timezoneIdentifier", "schedules.timezone"), _TIMEZONES),
    "schedules.cron": _mostly(
        *("0 9 * * mon-fri", "* * * * *", "*/5 0-23/2 1,15 * *", "0 0 30 2 *", "0 0 29 2 *", "59 23 31 12 7"),
        *("\t0  0 1 1 0 ", "60 * * * *", "0 0 * * x", "a-b/c * * * *", "*/0 * * * *", "0 0 * * sun-mon"),
    ),
    "teams.members": lambda r: r.sample(IDS, r.randint(1, 3)),
    "workflows.steps": lambda r: [_step(r) for _ in range(r.randint(1, 3))],
    **{f"{field}.name": _SECRETS for field in ("secretKeyRef", "apiKeySecretRef", "urlSecretRef", "caSecretRef")},
    "configMap.name": _one("texts", "a..b", "a.-b", "t" * 253),
}
