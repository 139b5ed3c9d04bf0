"""Single values for a structural schema: those in the middle, and above all those at its borders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from tests.generated.forms import compiled, stretched, text_of

Schema = Mapping[str, Any]


def words(text: str) -> list[str]:
    """Many short texts on one line."""
    return text.split()


ODD = (
    *words("null true yes ~ 1e3 0x1F 0o7 1_000 2026-01-01 = << .inf - ? &a *a | > --- ... @ [ { !!python/x"),
    *words("$(HOME) $$(HOME) ${HOME} {{x}} {x} %s %(x)s % `id`"),
    *("\\", '"', "'", "'; DROP TABLE x; --", "\x00", "\x1b", "\x1b[31m", "\x7f", "\x85"),
    *("", " ", " x", "x ", "a: b", "a #b", "- a", "a\nb", "\n", "\t", "\r\n", "a\r"),
    *("ä", "a\u0301", "Ω", "日本語", "\u00a0", "\u200b", "\u202ex", "\u2028", "\ufeff", "\ufffe"),
    *("🙂", "👩\u200d👩\u200d👧", "\\🙂", "\U000e0041", "\U0010ffff"),
)
"""Texts that some reader on their way takes for something else: YAML, SQL, shells, templates, terminals."""
NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.0, -0.0, 0.1, 1e-7, 1e21, 1e300, 1.0)
QUANTITIES = {
    "cpu": (*words("1m 0.001 0.5m 999m 1000m 0.1 1.5 2 007 0.100 1024 1024.000 0 0m"), 1, 2, 1024, 0),
    "memory": (
        *words("1 0.5 64Mi 1024Mi 1.5Gi 0.001k 100M 1G 1Ti 16Ti 00512Ki 1.000Gi 0 0Mi"),
        *(1, 128_974_848, 1_000_000_000, 2**44, 2**63 - 1, 0),
    ),
}
"""Kubernetes quantities as people write them, and zero."""


def text(r: Random, schema: Schema) -> str:
    """A string: of its pattern, odd, as short or as long as it may be."""
    if "enum" in schema:
        return str(r.choice(schema["enum"]))
    low, high = schema.get("minLength", 0), schema.get("maxLength", 60)
    pattern = r.choice(patterns(schema) or [None])
    found = _short(r, pattern, low, high)
    return stretched(found, high, pattern) if r.random() < 0.2 else found


def _short(r: Random, pattern: str | None, low: int, high: int) -> str:
    if pattern is None:
        found = r.choice((r.choice(ODD), any_text(r), "x" * low))
        return found[:high] if len(found) >= low else "x" * low
    tries = (text_of(pattern, r) for _ in range(20))
    return next((each for each in tries if low <= len(each) <= high and compiled(pattern).search(each)), "")


def any_text(r: Random) -> str:
    """Characters of anywhere but those that are none by themselves."""
    codes = (r.choice((r.randint(32, 126), r.randint(160, 0xD7FF), r.randint(0x10000, 0x10FFFF))) for _ in range(8))
    return "".join(chr(code) for code in codes)[: r.randint(1, 8)]


def patterns(schema: Schema) -> list[str]:
    """Regular expressions of which a string must match one: the pattern's, or those of a rule in CEL."""
    for rule in (each["rule"] for each in schema.get("x-kubernetes-validations", ())):
        found = re.findall(r"self\.matches\('([^']+)'\)", rule)
        if found and not rule.startswith("!") and "contains" not in rule:
            return [each.replace("\\\\", "\\") for each in found]
    return [schema["pattern"]] if "pattern" in schema else []


def whole(r: Random, schema: Schema) -> int:
    """An integer at or near its bounds."""
    low, high = schema.get("minimum", 0), schema.get("maximum", 2**31 - 1)
    return r.choice((low, min(low + 1, high), high, r.randint(low, high)))


def anything(r: Random, depth: int = 0) -> Any:
    """JSON of any form."""
    kind = r.randint(0, 9)
    if kind < 2 and depth < 4:
        return [anything(r, depth + 1) for _ in range(r.randint(0, 3))]
    if kind < 4 and depth < 4:
        return mapping(r, depth + 1)
    return r.choice((None, True, False, r.choice(NUMBERS), r.choice(ODD), any_text(r)))


def mapping(r: Random, depth: int = 0) -> dict[str, Any]:
    """A JSON object of any form."""
    names = ("", "a", "type", "properties", "constructor", "__class__", "a.b/c", r.choice(ODD), any_text(r))
    return {r.choice(names): anything(r, depth) for _ in range(r.randint(0, 3))}
