"""What the agno of this release knows: `catalogue.json`, which `charts/catalogue.py` makes from agno's source.

An image of one's own may hold another agno or further toolkits: whoever asks for a catalogue says for which agno.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Toolkit:
    """One toolkit of agno."""

    options: frozenset[str]
    functions: frozenset[str] | None
    """Every function that some options give it; None where that cannot be known without making it."""


class Catalogue:
    """Providers, toolkits and guardrails by the names that a document uses."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.agno: str = content["agno"]
        """The version of agno that all this is true of."""

    @property
    def providers(self) -> Collection[str]:
        """Every key of a provider."""
        return self._provided.keys()

    @property
    def toolkits(self) -> Collection[str]:
        """Every name of a toolkit."""
        found: Mapping[str, Any] = self._content["toolkits"]
        return found.keys()

    @property
    def _provided(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self._content["providers"]
        return found

    def model_class(self, provider: str) -> str:
        """The name of the class behind a provider, as agno's documentation has it."""
        return self._provided[provider].rpartition(".")[2]

    def model_options(self, provider: str) -> dict[str, str]:
        """What the constructor of a provider's class takes, as `values` reads it."""
        options: dict[str, str] = {}
        name: str | None = self._provided[provider]
        while name is not None:
            cls = self._content["classes"][name]
            options, name = {**cls["options"], **options}, cls["base"]
        return options

    def toolkit(self, name: str) -> Toolkit:
        """One toolkit."""
        found = self._content["toolkits"][name]
        options = {option for option in found["options"] if option[0] not in "*-"}
        if "*" in found["options"]:
            every = set(self._content["everyToolkit"])
            options |= every - {option[1:] for option in found["options"] if option[0] == "-"}
        functions = found["functions"]
        return Toolkit(frozenset(options), None if functions is None else frozenset(functions))

    def guardrail_options(self, name: str) -> list[str]:
        """What a guardrail's constructor takes."""
        options: list[str] = self._content["guardrails"][name]
        return options


@cache
def load_catalogue() -> Catalogue:
    """The catalogue of this release's agno; read once, by the first document that asks."""
    return Catalogue(json.loads(Path(__file__).with_name("catalogue.json").read_bytes()))
