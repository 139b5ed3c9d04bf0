"""An event about a write of ours is judged when the answer is there, also when it comes first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentos_operator.echoes import Echoes

BODY: dict[str, Any] = {"kind": "Service", "metadata": {"name": "support", "namespace": "ws-acme"}}


async def test_an_event_that_overtakes_the_answer_waits_for_it() -> None:
    echoes, order = Echoes(), []

    async def hear() -> None:
        await echoes.until_written(BODY)
        order.append("heard")

    with echoes.writing(BODY):
        hearing = asyncio.create_task(hear())
        await asyncio.sleep(0)
        assert not hearing.done()
        order.append("answered")
    await hearing
    assert order == ["answered", "heard"]


async def test_a_write_that_fails_holds_no_event_up() -> None:
    echoes = Echoes()
    with pytest.raises(RuntimeError), echoes.writing(BODY):
        raise RuntimeError
    await asyncio.wait_for(echoes.until_written(BODY), 1)
