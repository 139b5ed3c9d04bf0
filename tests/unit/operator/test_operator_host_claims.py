"""Who has a host: the first one, whatever order events, restarts and reconciliations come in."""

from __future__ import annotations

from typing import Any

import pytest

from agentos_operator.clients.kinds import Kind
from agentos_operator.errors import ApiUnavailable
from agentos_operator.reconcile.host_claims import HostClaims
from agentos_operator.workqueue import Key

Object = dict[str, Any]
HOST = "agents.acme.com"


class Listing:
    """An API server that lists what a test gives it."""

    def __init__(self, *bodies: Object) -> None:
        self.bodies = bodies
        self.listings = 0
        self.away = False

    async def list(self, kind: Kind, namespace: str | None, labels: object) -> list[Object]:
        self.listings += 1
        if self.away:
            raise ApiUnavailable("away")
        return [body for body in self.bodies if body["kind"] == kind.kind]


def workspace(name: str, *hosts: str, version: int = 1) -> Object:
    metadata = {"name": name, "resourceVersion": str(version)}
    return {"kind": "Workspace", "metadata": metadata, "spec": {"routing": {"hosts": list(hosts)}}}


def deployment(
    place: str, wanted: str | None = HOST, held: str | None = None, *, age: int = 0, version: int = 1
) -> Object:
    """One that wants or holds a host; a greater ``age`` is older."""
    metadata = {"name": "support", "namespace": f"ws-{place}", "uid": place, "resourceVersion": str(version)}
    metadata["creationTimestamp"] = f"2026-01-01T00:00:{59 - age:02}Z"
    routing = {"routing": {"host": wanted}} if wanted else {}
    return {
        "kind": "AgentDeployment",
        "metadata": metadata,
        "spec": routing,
        "status": {"host": held} if held else {},
    }


GRANTED = (workspace("acme", HOST), workspace("globex", HOST))


async def loaded(*bodies: Object) -> tuple[HostClaims, list[Key]]:
    marked: list[Key] = []
    claims = HostClaims(marked.append)
    await claims.load(Listing(*GRANTED, *bodies))  # type: ignore[arg-type]
    marked.clear()
    return claims, marked


async def test_the_holder_that_status_names_keeps_a_host_from_an_older_deployment() -> None:
    claims, _ = await loaded(deployment("acme", held=HOST), deployment("globex", age=30))
    assert not claims.take(HOST, "globex")
    assert claims.take(HOST, "acme")


@pytest.mark.parametrize("first", ["acme", "globex"])
async def test_of_two_that_want_a_free_host_the_older_gets_it_whichever_asks_first(first: str) -> None:
    claims, _ = await loaded(deployment("acme", age=5), deployment("globex", age=6))
    second = {"acme": "globex", "globex": "acme"}[first]
    assert {first: claims.take(HOST, first), second: claims.take(HOST, second)} == {"acme": False, "globex": True}


async def test_a_tie_in_age_is_decided_by_uid() -> None:
    claims, _ = await loaded(deployment("globex"), deployment("acme"))
    assert not claims.take(HOST, "globex")
    assert claims.take(HOST, "acme")


async def test_a_taken_host_stays_taken_though_an_older_deployment_comes_later() -> None:
    claims, _ = await loaded(deployment("acme"))
    assert claims.take(HOST, "acme")
    claims.observe(deployment("globex", age=30), deleted=False)
    assert not claims.take(HOST, "globex")
    assert claims.take(HOST, "acme")


async def test_an_event_from_before_the_taking_takes_nothing_back() -> None:
    claims, _ = await loaded(deployment("acme", version=5), deployment("globex"))
    assert claims.take(HOST, "acme")
    claims.observe(deployment("acme", wanted=None, version=4), deleted=False)
    claims.observe(deployment("acme", wanted=None, version=6), deleted=False)
    assert not claims.take(HOST, "globex"), "its route may still name the host"


async def test_the_next_one_is_woken_when_the_holder_lets_go_and_when_it_is_deleted() -> None:
    for end in ("let go", "deleted"):
        claims, marked = await loaded(deployment("acme", held=HOST), deployment("globex"))
        if end == "let go":
            claims.observe(deployment("acme", wanted=None, held=HOST, version=2), deleted=False)
            assert not claims.take(HOST, "globex")
            claims.let_go("acme")
        else:
            claims.observe(deployment("acme", held=HOST), deleted=True)
        assert Key("AgentDeployment", "ws-globex", "support") in marked
        assert claims.take(HOST, "globex")


async def test_a_claim_without_a_grant_stands_in_nobodys_way() -> None:
    claims, marked = await loaded(deployment("acme", age=30), deployment("globex"))
    claims.observe_workspace(workspace("acme", version=2), deleted=False)
    assert Key("AgentDeployment", "ws-globex", "support") in marked
    assert claims.take(HOST, "globex")


async def test_a_grant_wakes_whoever_waits_for_it() -> None:
    claims, marked = await loaded(deployment("initech"))
    assert not claims.take(HOST, "initech")
    claims.observe_workspace(workspace("initech", HOST, version=2), deleted=False)
    assert marked == [Key("AgentDeployment", "ws-initech", "support")]
    assert claims.take(HOST, "initech")


async def test_after_a_crash_between_two_holders_the_one_that_still_wants_the_host_has_it() -> None:
    leaving = deployment("acme", wanted=None, held=HOST, age=30)
    claims, _ = await loaded(leaving, deployment("globex", held=HOST))
    assert claims.take(HOST, "globex")


async def test_everything_is_listed_once_and_again_only_after_a_failure() -> None:
    listing, claims = Listing(*GRANTED, deployment("acme")), HostClaims(lambda _: None)
    listing.away = True
    with pytest.raises(ApiUnavailable):
        await claims.load(listing)  # type: ignore[arg-type]
    listing.away = False
    await claims.load(listing)  # type: ignore[arg-type]
    await claims.load(listing)  # type: ignore[arg-type]
    assert listing.listings == 1 + 2
    assert claims.take(HOST, "acme")


async def test_a_cluster_in_which_nobody_wants_a_host_is_not_remembered() -> None:
    claims = HostClaims(lambda _: None)
    claims.observe(deployment("acme"), deleted=False)
    assert claims.winner(HOST) is None
