"""A kind that the API server lists only after kopf has looked is watched all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import Any

import kopf
import pytest
from kopf._cogs.clients import scanning
from kopf._cogs.clients.errors import APIServerError
from kopf._cogs.structs.references import Insights, Resource

from agentos_operator.clients import late_kinds
from agentos_operator.clients.kinds import HTTP_ROUTE, WORKSPACE
from agentos_operator.clients.late_kinds import LateKinds

VERBS = frozenset({"list", "watch", "patch"})
ROUTES = Resource(group="gateway.networking.k8s.io", version="v1", plural="httproutes", verbs=VERBS, preferred=True)
WORKSPACES = Resource(group="agentos.hyvve.io", version="v1alpha1", plural="workspaces", verbs=VERBS, preferred=True)


@pytest.fixture
async def kinds() -> LateKinds:
    """Handlers for two kinds, one of which is watched already."""
    registry, insights = kopf.OperatorRegistry(), Insights()

    async def handler(**_: Any) -> None:
        """Nothing happens here."""

    for kind in (WORKSPACE, HTTP_ROUTE):
        kopf.on.event(kind.api_version, kind.plural, registry=registry)(handler)
    insights.watched_resources.add(WORKSPACES)
    insights.ready_resources.set()
    return LateKinds((WORKSPACE, HTTP_ROUTE), registry, kopf.OperatorSettings(), insights)


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Collection[Resource] | Exception]]:
    """What each scan finds; the last answer stays."""
    answers: list[Collection[Resource] | Exception] = []
    asked: list[Collection[str]] = []

    async def scan_resources(*, groups: Collection[str], **_: Any) -> Collection[Resource]:
        asked.append(groups)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(scanning, "scan_resources", scan_resources)
    monkeypatch.setattr(late_kinds, "SCAN_SECONDS", 0)
    yield answers
    assert all(groups == {"gateway.networking.k8s.io"} for groups in asked), "only what is missing is asked for"


async def test_the_scan_is_repeated_until_the_kind_is_listed(
    kinds: LateKinds, scans: list[Collection[Resource] | Exception]
) -> None:
    scans[:] = [[], APIServerError(None, status=503, headers={}), OSError("no answer"), [], [ROUTES]]
    following = asyncio.create_task(kinds.follow())
    async with asyncio.timeout(10):
        while ROUTES not in kinds.insights.watched_resources:  # noqa: ASYNC110 - turns of the loop, no time
            await asyncio.sleep(0)
    assert kinds.missing_groups() == set()
    assert WORKSPACES in kinds.insights.watched_resources
    following.cancel()
