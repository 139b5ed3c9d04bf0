"""The least of a spec that still fails: whoever reads a failure is shown what matters of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

_MOST_TRIES = 300


def shrunk(spec: Any, fails: Callable[[Any], bool]) -> Any:
    """``spec`` without all that can be taken out, one field or entry at a time, while it still fails."""
    tries = 0
    smaller: Any = None
    while smaller is not spec:
        smaller = spec
        for less in _lesser(spec):
            tries += 1
            if tries > _MOST_TRIES:
                return spec
            if fails(less):
                spec = less
                break
    return spec


def _lesser(spec: Any) -> Iterator[Any]:
    """Copies of which each lacks one thing, what is outermost first."""
    for way in _ways(spec):
        less = copy.deepcopy(spec)
        inner = less
        for key in way[:-1]:
            inner = inner[key]
        del inner[way[-1]]
        yield less


def _ways(value: Any) -> Iterator[tuple[Any, ...]]:
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else [*range(len(value))] if isinstance(value, list) else []
    )
    yield from ((key,) for key in keys)
    for key in keys:
        yield from ((key, *way) for way in _ways(value[key]))
