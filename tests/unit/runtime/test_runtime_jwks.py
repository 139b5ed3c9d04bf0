"""The keys of an issuer that publishes them: when they are asked for, what is done while the issuer is away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agentos_runtime.auth.fetch import FetchFailed
from agentos_runtime.auth.jwks import (
    FRESH_SECONDS,
    KEPT_SECONDS,
    OVERDUE_SECONDS,
    PAUSE_SECONDS,
    KeySet,
    KeysUnavailable,
)
from tests.unit.runtime.signing import KEY_SET

ALL = frozenset({"EdDSA", "ES256", "RS256"})


class Endpoint:
    """An issuer's endpoint and a clock, both in a test's hands."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.answer: dict[str, Any] | Exception = KEY_SET
        self.called = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.keys = KeySet("app", ALL, self.fetch, lambda: self.now)

    async def fetch(self) -> bytes:
        self.asked += 1
        self.called.set()
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return json.dumps(self.answer).encode()

    async def knows(self, key_id: str) -> bool:
        return await self.keys.find(key_id) is not None

    async def rest(self) -> None:
        """Until what was begun in the background is done."""
        if self.keys._attempt:
            await self.keys._attempt


async def test_nothing_is_asked_before_the_first_token_and_once_for_many() -> None:
    endpoint = Endpoint()
    assert endpoint.asked == 0
    assert all(await asyncio.gather(*(endpoint.knows("ed") for _ in range(50))))
    assert await endpoint.knows("rsa")
    assert endpoint.asked == 1


async def test_an_unknown_key_is_asked_for_once_and_then_refused_for_a_while() -> None:
    endpoint = Endpoint()
    await endpoint.knows("ed")
    endpoint.now += PAUSE_SECONDS
    for number in range(20):
        assert not await endpoint.knows(f"made-up-{number}")
    assert endpoint.asked == 2


async def test_a_new_key_of_the_issuer_is_found_with_its_first_token() -> None:
    endpoint = Endpoint()
    endpoint.answer = {"keys": KEY_SET["keys"][1:]}
    assert not await endpoint.knows("ed")
    endpoint.answer = KEY_SET
    endpoint.now += PAUSE_SECONDS
    assert await endpoint.knows("ed")


async def test_a_key_that_was_withdrawn_is_refused_once_the_keys_have_been_read_again() -> None:
    endpoint = Endpoint()
    assert await endpoint.knows("ed")
    endpoint.answer = {"keys": KEY_SET["keys"][1:]}
    endpoint.now += FRESH_SECONDS + 1
    assert await endpoint.knows("ed")
    await endpoint.rest()
    assert not await endpoint.knows("ed")


async def test_after_a_quiet_night_a_key_that_was_withdrawn_is_refused_at_once() -> None:
    endpoint = Endpoint()
    assert await endpoint.knows("ed")
    endpoint.answer = {"keys": KEY_SET["keys"][1:]}
    endpoint.now += 8 * 3600
    assert not await endpoint.knows("ed")


async def test_nobody_waits_again_and_again_for_an_endpoint_that_hangs() -> None:
    endpoint = Endpoint()
    await endpoint.knows("ed")
    endpoint.answer = FetchFailed("down")
    endpoint.now += OVERDUE_SECONDS + 1
    assert await endpoint.knows("ed")
    endpoint.gate.clear()
    for _ in range(3):
        endpoint.now += PAUSE_SECONDS
        async with asyncio.timeout(1):
            assert await endpoint.knows("ed")
    endpoint.gate.set()
    await endpoint.rest()
    assert endpoint.asked == 3


async def test_known_keys_do_not_wait_while_they_are_renewed() -> None:
    endpoint = Endpoint()
    await endpoint.knows("ed")
    endpoint.gate.clear()
    endpoint.now += FRESH_SECONDS + 1
    async with asyncio.timeout(1):
        assert await endpoint.knows("ed")
    endpoint.gate.set()
    await endpoint.rest()
    assert endpoint.asked == 2


@pytest.mark.parametrize(
    "answer", [FetchFailed("down"), {"keys": []}, {"error": "?"}, RuntimeError("a fault of ours")], ids=repr
)
async def test_the_last_keys_stay_in_use_while_the_endpoint_is_down(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = Endpoint()
    await endpoint.knows("ed")
    endpoint.answer = answer
    for _ in range(10):
        endpoint.now += FRESH_SECONDS + 1
        assert await endpoint.knows("ed")
        await endpoint.rest()
    assert endpoint.asked == 11
    assert "the keys of the issuer app were not read" in caplog.text


async def test_but_not_for_more_than_a_day() -> None:
    endpoint = Endpoint()
    await endpoint.knows("ed")
    endpoint.answer = FetchFailed("down")
    endpoint.now += KEPT_SECONDS + 1
    with pytest.raises(KeysUnavailable):
        await endpoint.knows("ed")


async def test_without_any_keys_a_token_cannot_be_judged_and_the_endpoint_is_not_hammered() -> None:
    endpoint = Endpoint()
    endpoint.answer = FetchFailed("down")
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            await endpoint.knows("ed")
    assert endpoint.asked == 1
    endpoint.answer = KEY_SET
    endpoint.now += PAUSE_SECONDS
    assert await endpoint.knows("ed")


async def test_a_caller_that_goes_away_leaves_the_attempt_to_the_others() -> None:
    endpoint = Endpoint()
    endpoint.gate.clear()
    first, second = (asyncio.create_task(endpoint.knows("ed")) for _ in range(2))
    await endpoint.called.wait()
    first.cancel()
    endpoint.gate.set()
    assert await second
    assert endpoint.asked == 1
