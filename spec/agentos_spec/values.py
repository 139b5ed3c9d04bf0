"""Whether a value of the document fits what an option takes, said without agno and pydantic.

What an option takes is a line of words with `|` between them, as in `catalogue.json`: those of `_MEANS`, "nothing" for
null, "=x" for the text x, and "any" for what cannot be told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agentos_spec.errors import did_you_mean
from agentos_spec.node import kind_of

_FITS: Mapping[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "whole": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "flag": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "texts": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "mapping": lambda value: isinstance(value, Mapping),
    "nothing": lambda value: value is None,
    "any": lambda value: True,  # noqa: ARG005 - it fits, whatever it is
}
_MEANS = {
    "text": "a string",
    "number": "a number",
    "whole": "a whole number",
    "flag": "true or false",
    "list": "a list",
    "texts": "a list of strings",
    "mapping": "a mapping",
}


def misfit(value: object, takes: str) -> str | None:
    """What is wrong with a value, None where nothing is; the value itself is not told, since it may be a secret."""
    words = takes.split("|")
    choices = [word[1:] for word in words if word.startswith("=")]
    if value in choices or any(word in _FITS and _FITS[word](value) for word in words):
        return None
    if choices and isinstance(value, str):
        return f"is none of {', '.join(choices)}{did_you_mean(value, choices)}"
    meanings = [_MEANS[word] for word in words if word in _MEANS]
    meanings += [f"one of {', '.join(choices)}"] if choices else []
    return f"must be {' or '.join(meanings)}, not {kind_of(value)}"
