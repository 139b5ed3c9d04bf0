"""An event that tells of nothing but our own write leads to no work; whatever else it tells does."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from agentos_operator.echoes import Echoes
from agentos_operator.naming import FINALIZER

Object = dict[str, Any]
READ: Object = {
    "apiVersion": "agentos.hyvve.io/v1alpha1",
    "kind": "Workspace",
    "metadata": {"name": "acme", "uid": "u", "resourceVersion": "7", "generation": 2, "labels": {"a": "b"}},
    "spec": {"suspended": False},
}


def written(**metadata: Any) -> Object:
    """READ as the API server answers our write of status."""
    body = copy.deepcopy(READ)
    body["metadata"] |= {"resourceVersion": "8", "managedFields": [{}]} | metadata
    return body | {"status": {"observedGeneration": 2}}


def test_the_event_of_our_own_write_is_an_echo() -> None:
    echoes = Echoes()
    echoes.note(READ, written())
    assert echoes.is_one(written())


def test_our_finalizer_is_our_own_write_too() -> None:
    echoes = Echoes()
    echoes.note(READ, written(finalizers=[FINALIZER]))
    assert echoes.is_one(written(finalizers=[FINALIZER]))


@pytest.mark.parametrize(
    "metadata",
    [{"generation": 3}, {"labels": {"a": "c"}}, {"deletionTimestamp": "now"}, {"finalizers": ["another/one"]}],
)
def test_a_write_that_came_after_somebody_elses_change_hides_that_change_from_nobody(metadata: Object) -> None:
    echoes = Echoes()
    echoes.note(READ, written(**metadata))
    assert not echoes.is_one(written(**metadata))


def test_what_is_written_after_us_is_no_echo() -> None:
    echoes = Echoes()
    echoes.note(READ, written())
    assert not echoes.is_one(written(resourceVersion="9"))


def test_a_resource_that_is_gone_is_forgotten() -> None:
    echoes = Echoes()
    echoes.note(READ, written())
    echoes.forget("u")
    assert not echoes.is_one(written())


async def test_an_event_that_overtakes_the_answer_waits_for_it() -> None:
    echoes, order = Echoes(), []

    async def hear() -> None:
        await echoes.until_written(written())
        order.append("heard" if echoes.is_one(written()) else "news")

    with echoes.writing(READ):
        hearing = asyncio.create_task(hear())
        await asyncio.sleep(0)
        assert not hearing.done()
        echoes.note(READ, written())
    await hearing
    assert order == ["heard"]


async def test_a_write_that_fails_holds_no_event_up() -> None:
    echoes = Echoes()
    with pytest.raises(RuntimeError), echoes.writing(READ):
        raise RuntimeError
    await asyncio.wait_for(echoes.until_written(READ), 1)
