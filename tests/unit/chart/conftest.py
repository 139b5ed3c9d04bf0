"""Rendering the chart as its users do: with the helm binary, built once per machine where it is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import toolchain

CHART = Path(__file__).resolve().parents[3] / "charts" / "agentos"
KUBERNETES = "1.34.0"

Manifest = dict[str, Any]


class HelmError(Exception):
    """What helm wrote to its standard error."""


class Rendered(list[Manifest]):
    """All objects of one rendering."""

    def one(self, kind: str, name: str) -> Manifest:
        """The object of that kind and name, which must be there exactly once."""
        (found,) = (item for item in self if item["kind"] == kind and item["metadata"]["name"] == name)
        return found

    def of(self, kind: str) -> list[Manifest]:
        """All objects of a kind."""
        return [item for item in self if item["kind"] == kind]


Helm = Callable[..., str]
Render = Callable[..., Rendered]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Run helm with arguments and values (as standard input where `-f -` is given)."""
    binary = toolchain.ensure(["helm"])["helm"]

    def call(*arguments: str, values: Mapping[str, Any] | None = None) -> str:
        text = yaml.safe_dump(values or {})
        done = subprocess.run([binary, *arguments], input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HelmError(done.stderr)
        return done.stdout

    return call


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """Objects that a release called `agentos` in the namespace `platform` has with these values."""

    def call(values: Mapping[str, Any] | None = None, *flags: str, release: str = "agentos") -> Rendered:
        arguments = [
            "template",
            release,
            str(CHART),
            "-n",
            "platform",
            "--kube-version",
            KUBERNETES,
            "-f",
            "-",
        ]
        text = helm(*arguments, *flags, values=values)
        return Rendered(item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item)

    return call
