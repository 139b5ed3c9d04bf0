"""The plainest good resources, for tests that spoil or extend them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.apiserver import ApiServer

Object = dict[str, Any]
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def namespace(api_server: ApiServer) -> str:
    """A Namespace for AgentDeployments; the schema does not care which."""
    api_server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ws-schema"}})
    return "ws-schema"


@pytest.fixture
def fresh_name() -> Callable[[], str]:
    """Names that nobody has used."""
    return lambda: f"n{next(_numbers)}"
