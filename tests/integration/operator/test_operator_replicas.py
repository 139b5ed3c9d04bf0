"""Two replicas: one writes, the other waits, and takes over when the first is gone."""

from __future__ import annotations

from tests.integration.apiserver import eventually
from tests.integration.operator.proxy import Answer, Proxy
from tests.integration.operator.stage import SYSTEM_NAMESPACE, Stage, new_name


def holder(stage: Stage) -> str:
    lease = stage.child("Lease", SYSTEM_NAMESPACE, "agentos-operator")
    return str(lease["spec"]["holderIdentity"])


def test_the_waiting_replica_writes_nothing_and_takes_over_when_the_leader_ends(stage: Stage) -> None:
    leader = stage.start(identity="operator-a")
    with Proxy(stage.api) as proxy:
        waiting = stage.start(identity="operator-b", server=proxy.url, wait=False)
        watched = "/apis/agentos.hyvve.io/v1alpha1/workspaces"
        eventually(lambda: proxy.count("GET", watched) > 0, "the second replica watches")
        stage.ready_workspace()
        assert proxy.writes == []
        assert holder(stage) == "operator-a"
        leader.stop()
        eventually(lambda: waiting.is_leading, "the second replica leads", timeout=20)
        stage.ready_workspace()
        assert proxy.writes
        waiting.stop()


def test_a_killed_leader_is_replaced_once_its_lease_has_run_out(stage: Stage) -> None:
    leader = stage.start(identity="operator-a")
    waiting = stage.start(identity="operator-b", wait=False)
    leader.kill()
    # As if most of its time had passed.
    stage.api.patch("Lease", "agentos-operator", {"spec": {"leaseDurationSeconds": 3}}, SYSTEM_NAMESPACE)
    name = new_name()
    stage.apply_workspace(name)
    eventually(lambda: waiting.is_leading, "the second replica leads", timeout=60)
    stage.wait_for("Workspace", name)
    assert holder(stage) == "operator-b"
    waiting.stop()


def test_a_leader_that_cannot_renew_stops_by_itself(stage: Stage) -> None:
    """Cut off from the API server, it must end before another may lead."""
    with Proxy(stage.api) as proxy:
        leader = stage.start(identity="operator-a", server=proxy.url)
        proxy.before = lambda request: Answer(503) if "/leases" in request.path else None
        assert leader.process.wait(40) != 0
    assert "leadership could not be renewed" in leader.log
