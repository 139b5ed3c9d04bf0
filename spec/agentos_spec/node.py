"""A value of the document that knows where it stands, so that every error names its path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from agentos_spec.errors import SpecError, SpecReason, did_you_mean

_WORDS: Mapping[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "a boolean",
    int: "a number",
    float: "a number with a fraction",
}


@dataclass(frozen=True)
class Node:
    """One value under its path, e.g. `spec.agents[0].model`."""

    value: Any
    path: str

    def fail(self, problem: str) -> NoReturn:
        """Refuse this value: the path, what is wrong, what to do."""
        raise SpecError(SpecReason.INVALID_SPEC, f"{self.path}: {problem}")

    def fields(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Node]:
        """The children of a mapping that has these fields and no others."""
        required, known = list(required), [*required, *optional]
        if not isinstance(self.value, Mapping):
            self.fail(f"must be a mapping with {', '.join(known)}, not {kind_of(self.value)}")
        for name in self.value:
            if name not in known:
                hint = did_you_mean(str(name), known) or f"; known are {', '.join(known)}"
                self.fail(f"unknown field {name!r}{hint}")
        for name in required:
            if self.value.get(name) is None:
                self.fail(f"{name} is missing; add it")
        return {
            name: Node(v, f"{self.path}.{name}" if self.path else str(name))
            for name, v in self.value.items()
            if v is not None
        }

    def items(self, *, at_least: int = 0, at_most: int = 1000) -> list[Node]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            self.fail(f"must be a list, not {kind_of(self.value)}; put '- ' before each entry")
        if not at_least <= len(self.value) <= at_most:
            self.fail(f"has {len(self.value)} entries; it takes {at_least} to {at_most}")
        return [Node(v, f"{self.path}[{i}]") for i, v in enumerate(self.value)]

    def values(self) -> dict[str, Any]:
        """A mapping whose content is the author's own."""
        if not isinstance(self.value, Mapping) or not all(isinstance(key, str) for key in self.value):
            self.fail("must be a mapping of names to values")
        return dict(self.value)

    def text(self) -> str:
        """A string with something in it."""
        if not isinstance(self.value, str):
            self.fail(f"must be a string, not {kind_of(self.value)}; quote it")
        if not self.value.strip():
            self.fail("is empty; fill it in or leave the field out")
        return self.value

    def name(self, pattern: str, meaning: str) -> str:
        """A string of a fixed form."""
        text = self.text()
        if not re.fullmatch(pattern, text):
            self.fail(f"{text!r} is not {meaning}")
        return text

    def untold(self, pattern: str, meaning: str) -> str:
        """The same where somebody may have put a secret by mistake: what is there is not repeated."""
        text = self.text()
        if not re.fullmatch(pattern, text):
            self.fail(f"is not {meaning}")
        return text

    def flag(self) -> bool:
        """true or false, not a word that looks like it."""
        if not isinstance(self.value, bool):
            self.fail(f"must be true or false, not {kind_of(self.value)}")
        return self.value

    def integer(self, low: int, high: int) -> int:
        """A whole number in a range."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self.fail(f"must be a whole number, not {kind_of(self.value)}")
        if not low <= self.value <= high:
            self.fail(f"is {self.value}; it takes {low} to {high}")
        return self.value


def kind_of(value: object) -> str:
    """A word of YAML for a Python value."""
    return "nothing" if value is None else _WORDS.get(type(value), type(value).__name__)
