"""Texts of a regular expression, short ones and long ones.

Patterns of the schemas are RE2's; what they have in common with Python's is what they use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from random import Random
from re import _constants as sre
from re import _parser as parser
from typing import Any

_ANY = "aZ0-_.~ \\'\"{$é🙂"
"""What a dot, or everything but a few characters, stands for."""
_CLASSES = {sre.CATEGORY_SPACE: " \t\n", sre.CATEGORY_DIGIT: "059", sre.CATEGORY_WORD: "aZ0_"}


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """``$`` is the end in RE2, and in Python the place before a last line break as well."""
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern), re.ASCII)


@cache
def _parsed(pattern: str) -> Any:
    return parser.parse(pattern, re.ASCII)


def text_of(pattern: str, r: Random) -> str:
    """One that matches, as far as no look-around is asked for."""
    return "".join(_MAKERS[op](argument, r) for op, argument in _parsed(pattern))


def stretched(found: str, length: int, pattern: str | None) -> str:
    """As long as it may be: one of its characters repeated, where what comes out still has the form."""
    missing = length - len(found)
    for place, each in enumerate(found) if missing > 0 else ():
        longer = found[:place] + each * missing + found[place:]
        if pattern is None or compiled(pattern).search(longer):
            return longer
    return found


def _all(parsed: Any, r: Random) -> str:
    return "".join(_MAKERS[op](argument, r) for op, argument in parsed)


def _in(items: Any, r: Random) -> str:
    if items[0][0] is sre.NEGATE:
        taken = "".join(_characters(item) for item in items[1:])
        return r.choice([each for each in _ANY if each not in taken])
    return r.choice(_characters(r.choice(items)))


def _characters(item: Any) -> str:
    op, argument = item
    if op is sre.LITERAL:
        return chr(argument)
    if op is sre.CATEGORY:
        return _CLASSES[argument]
    low, high = argument
    return "".join(map(chr, {low, (low + high) // 2, high}))


def _repeat(argument: Any, r: Random) -> str:
    low, high, inner = argument
    times = r.choice(
        (low, low, low + 1, r.randint(low, min(int(high), low + 4)), r.randint(low, min(int(high), low + 12)))
    )
    return "".join(_all(inner, r) for _ in range(min(times, int(high))))


_MAKERS: dict[Any, Callable[[Any, Random], str]] = {
    sre.LITERAL: lambda argument, _: chr(argument),
    sre.NOT_LITERAL: lambda argument, r: r.choice([each for each in _ANY if each != chr(argument)]),
    sre.ANY: lambda _, r: r.choice(_ANY),
    sre.IN: _in,
    sre.AT: lambda *_: "",
    sre.MAX_REPEAT: _repeat,
    sre.SUBPATTERN: lambda argument, r: _all(argument[3], r),
    sre.BRANCH: lambda argument, r: _all(r.choice(argument[1]), r),
}
