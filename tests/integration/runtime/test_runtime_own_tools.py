"""Functions of an image's own, as examples/own-image has them: models call them, and people confirm them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

IMAGE = Path(__file__).parents[3] / "examples" / "own-image"


@pytest.fixture
def client(
    start: Callable[..., Any], an_agent: Callable[..., dict[str, Any]], token: Callable[..., str]
) -> Iterator[httpx.Client]:
    """A runtime with the example's tools, spoken to as alice."""
    tools = [{"toolkit": "orders", "requiresConfirmation": ["refund"]}]
    process = start(an_agent(tools=tools), PYTHONPATH=str(IMAGE))
    process.wait_until("/readyz")
    with httpx.Client(base_url=process.url, headers={"Authorization": f"Bearer {token()}"}, timeout=60) as client:
        yield client


def ask(client: httpx.Client, path: str = "/agents/support/runs", **form: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(path, data={"stream": "false", **form}).json()
    return answer


def test_a_function_of_ones_own_is_called_by_the_model(client: httpx.Client) -> None:
    assert "shipped" in ask(client, message='call order_status {"order": "1001"}')["content"]


def test_a_function_of_ones_own_waits_for_a_person(client: httpx.Client) -> None:
    paused = ask(client, message='call refund {"order": "1001", "amount": 5}')
    assert paused["status"] == "PAUSED"
    tools = json.dumps([{**paused["tools"][0], "confirmed": True}])
    path = f"/agents/support/runs/{paused['run_id']}/continue"
    assert "5.00 EUR of order 1001" in ask(client, path, tools=tools, session_id=paused["session_id"])["content"]
