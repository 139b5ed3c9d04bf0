"""The operator and the probe understand each other: targets one way, the report the other."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest

from agentos_operator.reconcile.isolation import report as operators
from agentos_operator.reconcile.isolation.targets import Endpoint
from agentos_runtime.errors import StartupError
from agentos_runtime.isolation import contract
from agentos_runtime.isolation.outcome import Attempt, Control, Outcome

ASCII = string.ascii_letters + string.digits + string.punctuation + " "


def document(**changes: Any) -> str:
    """Targets as ``gather_targets`` writes them."""
    endpoint = Endpoint("the operator", "10.0.0.7", 8080, up=True)
    return json.dumps(
        {
            "version": operators.VERSION,
            "endpoints": [vars(endpoint)],
            "neighbours": [{"schema": "ws_2", "owner": "ws_2_owner", "login": "ws_2_a"}],
            "ownerRole": "ws_1_owner",
            "ownRoles": ["ws_1_a", "ws_1_b", "ws_1_owner", "agentos_tenants"],
            "sharedSchemas": ["ext"],
            "runtimes": ["10.0.0.8"],
            "port": 7777,
            **changes,
        }
    )


def test_the_probe_reads_what_the_operator_writes() -> None:
    targets = contract.parse_targets(document())
    assert targets.endpoints == (contract.Endpoint("the operator", "10.0.0.7", 8080, up=True),)
    assert targets.neighbours[0].owner == "ws_2_owner"
    assert targets.owner_role in targets.own_roles


@pytest.mark.parametrize("text", [document(version=2), "", "[]", "{}", document(endpoints=[{"host": "x"}])])
def test_targets_of_another_release_are_refused_and_not_guessed(text: str) -> None:
    with pytest.raises(StartupError, match="not"):
        contract.parse_targets(text)


def encoded(*attempts: Attempt, controls: tuple[Control, ...] = ()) -> str:
    return contract.encode_report(attempts, controls, {"seconds": 2.0, "cpuSeconds": 0.25})


def test_the_operator_reads_what_the_probe_leaves_and_counts_only_targets_that_are_there() -> None:
    text = encoded(
        Attempt("network", "connect to a", Outcome.HELD),
        Attempt("network", "connect to b", Outcome.ABSENT),
        Attempt("postgresql", "read c", Outcome.BREACHED),
        Attempt("token", "get in with d", Outcome.UNCLEAR, "answer 503"),
        controls=(Control("dns", succeeded=True), Control("database", succeeded=False, detail="Timeout")),
    )
    found = operators.read_report(text)
    assert found is not None
    assert found.attempts == {"network": 1, "postgresql": 1, "token": 1}
    assert (found.breaches, found.breach_count) == (["read c"], 1)
    assert found.inconclusive == ["get in with d (answer 503)"]
    assert found.failed_controls == ["database (Timeout)"]
    assert found.cpu_seconds == 0.25


@pytest.mark.parametrize("name", ["x" * 5000, "ünïcode ✓" * 500, '"\\' * 2000, ASCII * 50])
def test_a_report_never_outgrows_a_termination_message(name: str) -> None:
    attempts = [Attempt("postgresql", name, outcome) for outcome in Outcome for _ in range(50)]
    controls = tuple(Control(name, succeeded=False) for _ in range(50))
    text = encoded(*attempts, controls=controls)
    assert len(text.encode()) <= contract.MOST_BYTES
    found = operators.read_report(text)
    assert found is not None
    assert found.breach_count == 50
