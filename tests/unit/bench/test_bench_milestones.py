"""What the breakdown reads out of objects, and out of /proc."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import pytest

from bench import pod_process, process
from bench.milestones import ORDER, milestones


def conditions(**states: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status} for kind, status in states.items()]}


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ({"kind": "Workspace"}, []),
        ({"kind": "Workspace", "status": conditions(Ready="False")}, []),
        ({"kind": "Workspace", "status": conditions(Ready="True")}, ["workspace ready"]),
        ({"kind": "AgentDeployment", "status": conditions(Ready="True")}, ["agent ready"]),
        ({"kind": "Secret", "metadata": {"name": "agentos-jwt"}}, ["jwt secret"]),
        ({"kind": "Secret", "metadata": {"name": "openai"}}, []),
        ({"kind": "HTTPRoute"}, ["route created"]),
        (
            {"kind": "HTTPRoute", "status": {"parents": [conditions(Accepted="True")]}},
            ["route created", "route accepted"],
        ),
        ({"kind": "EndpointSlice", "endpoints": None}, []),
        ({"kind": "EndpointSlice", "endpoints": [{"conditions": {"ready": True}}]}, ["endpoint ready"]),
        (
            {
                "kind": "Pod",
                "status": conditions(PodScheduled="True", Ready="False")
                | {"containerStatuses": [{"state": {"running": {}}, "started": False}]},
            },
            ["pod created", "pod scheduled", "container running"],
        ),
    ],
)
def test_an_object_shows_how_far_it_has_come(item: dict[str, Any], shown: list[str]) -> None:
    assert list(milestones(item)) == shown
    assert set(shown) <= set(ORDER)


def test_a_process_is_known_by_its_environment_and_by_its_socket() -> None:
    name, value = next((name, value) for name, value in os.environ.items() if value and "=" not in value)
    assert not pod_process.has_variable(os.getpid(), "NEVER_SET=1")
    assert not pod_process.has_variable(2**22 + 1, f"{name}={value}"), "a process that does not exist"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert not pod_process.listens(os.getpid(), port)
        listener.listen()
        assert pod_process.listens(os.getpid(), port)


def test_a_process_is_weighed_in_mebibytes() -> None:
    memory = process.memory_of(os.getpid())
    assert 5 < memory["pss"] <= memory["rss"] < 10_000
    with pytest.raises(ValueError, match="VmRSS"):
        process.kibibytes("Name: x\n", "VmRSS")


async def test_observation_ends_with_its_round_and_not_before() -> None:
    seen: list[str] = []
    present = pod_process.present()
    task = asyncio.create_task(
        pod_process.observe(present, "NEVER_SET=1", 7777, seen.append, lambda name, _: seen.append(name))
    )
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert seen == []
