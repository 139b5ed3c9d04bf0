"""The operator's process lasts for as long as it should."""

from __future__ import annotations

import asyncio
import os
from typing import cast

import pytest
from kopf._cogs.clients.errors import APIForbiddenError, APINotFoundError
from kubernetes.aio.client.api_client import ApiClient

from agentos_operator import __main__ as process
from agentos_operator.clients.kubernetes import Kubernetes
from agentos_operator.service import Operator
from agentos_operator.settings import Settings

LIVENESS = "http://127.0.0.1:0/healthz"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """What each run of kopf ends with, the last one first; runs take from it."""
    left: list[Exception | None] = []

    async def run(operator: Operator, stop: asyncio.Event, liveness: str) -> None:
        del operator, liveness
        assert not stop.is_set(), "each run can be told to stop"
        if (error := left.pop()) is not None:
            stop.set()  # as the cleanup does
            raise error

    async def connect() -> Kubernetes:
        return Kubernetes(cast("ApiClient", object()))

    monkeypatch.setattr("agentos_operator.main.run", run)
    monkeypatch.setattr(process, "connect", connect)
    return left


async def test_a_kind_that_is_taken_out_ends_no_operator(runs: list[Exception | None], settings: Settings) -> None:
    runs += [None, APINotFoundError("404 page not found", status=404, headers={})]
    assert await process._serve(settings, LIVENESS, None) == os.EX_OK
    assert runs == []


async def test_any_other_error_of_a_watch_ends_it(runs: list[Exception | None], settings: Settings) -> None:
    runs += [None, APIForbiddenError("no right", status=403, headers={})]
    with pytest.raises(APIForbiddenError):
        await process._serve(settings, LIVENESS, None)
