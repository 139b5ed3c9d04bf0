"""What the operator makes of what pods say of themselves, and what it does not believe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentos_operator.reconcile.inquiry.inquire import interval
from agentos_operator.reconcile.inquiry.judge import Finding, judge
from agentos_operator.resources.runtime_state import RuntimeState, parse_runtime_state

SERVERS = ("docs",)


def answer(*servers: tuple[str, str, str], **versions: Any) -> RuntimeState | None:
    told = [{"name": name, "status": status, "message": message} for name, status, message in servers]
    return parse_runtime_state(json.dumps({**versions, "mcpServers": told}).encode())


UP = answer(("docs", "connected", ""))
DOWN = answer(("docs", "unavailable", "it did not answer within 5 seconds"))
STARTING = answer(("docs", "pending", ""))


def found(*answers: RuntimeState | None, servers: tuple[str, ...] = SERVERS) -> Finding:
    return judge("uid", servers, answers)


def test_a_server_that_is_away_is_named_with_its_cause_and_how_many_pods_it_is_away_from() -> None:
    finding = found(UP, DOWN, UP)
    assert (finding.holds, finding.reason) == (False, "MCPServerUnavailable")
    assert finding.message == ("MCP server docs cannot be used by 1 of 3 pods: it did not answer within 5 seconds")


@pytest.mark.parametrize(
    ("answers", "holds", "reason"),
    [
        ((UP, UP), True, "Ready"),
        ((UP, STARTING), None, "Waiting"),
        ((UP, None), None, "NotAnswered"),
        ((None, None), None, "NotAnswered"),
        ((DOWN, None), False, "MCPServerUnavailable"),
        ((DOWN, STARTING), False, "MCPServerUnavailable"),
        ((answer(("others", "connected", "")),), None, "NotAnswered"),
        ((RuntimeState(version="1"),), None, "NotAnswered"),
    ],
)
def test_only_a_pod_that_says_so_makes_it_false_and_only_all_of_them_make_it_true(
    answers: tuple[RuntimeState | None, ...], holds: bool | None, reason: str
) -> None:
    finding = found(*answers)
    assert (finding.holds, finding.reason) == (holds, reason)


def test_of_two_servers_with_one_name_the_one_that_is_away_counts() -> None:
    both = answer(("docs", "unavailable", "refused"), ("docs", "connected", ""))
    assert found(both).holds is False


def test_many_dead_servers_make_no_endless_message() -> None:
    names = tuple(f"server-{number}" for number in range(20))
    finding = found(answer(*((name, "unavailable", "x" * 9000) for name in names)), servers=names)
    assert finding.message.endswith("and 17 more servers")
    assert len(finding.message) < 1000


def test_servers_that_the_spec_does_not_name_are_none_of_our_business() -> None:
    invented = answer(("docs", "connected", ""), ("planted", "unavailable", "call +1 555 0100"))
    assert "planted" not in found(invented).message
    assert found(invented).holds is True


def test_a_cause_is_one_short_line_that_no_terminal_obeys() -> None:
    hostile = answer(("docs", "unavailable", "\x1b[2J\x1b]0;owned\x07 refused\r\n\u202eelbisivni \ud800" + "x" * 999))
    assert hostile is not None
    cause = hostile.servers["docs"].cause
    assert len(cause) <= 200
    assert cause.isprintable()


@pytest.mark.parametrize("text", [b"", b"# HELP agentos_runs", b"[" * 20_000, b'"text"', b"\xff", b"[]", b"9" * 9999])
def test_what_is_no_answer_of_a_runtime_is_none(text: bytes) -> None:
    assert parse_runtime_state(text) is None


@pytest.mark.parametrize("servers", [{}, "docs", [1], [[]], [{"name": "docs"}], [{"name": "docs", "status": []}], None])
def test_an_answer_of_another_form_tells_of_no_server(servers: Any) -> None:
    told = parse_runtime_state(json.dumps({"mcpServers": servers}).encode())
    assert told is not None
    assert told.servers == {}


@pytest.mark.parametrize("version", ["", "1 2", "1\n2", "<b>1</b>", "9" * 65, 1, None, ["1"]])
def test_a_version_that_is_none_is_not_shown(version: Any) -> None:
    told = answer(version=version, agno="3.1.10")
    assert told is not None
    assert (told.version, told.agno) == (None, "3.1.10")


def test_the_newest_pod_that_answers_tells_the_version() -> None:
    finding = found(None, answer(version="0.2.0"), answer(version="0.1.0"), servers=())
    assert finding.version == "0.2.0"


def test_a_pod_that_says_something_else_each_time_has_nothing_written() -> None:
    causes = [found(answer(("docs", "unavailable", f"cause {number}"))) for number in range(2)]
    assert causes[0].says_the_same(causes[1])
    starting = [found(answer(("docs", "pending", ""), version=str(number))) for number in range(2)]
    assert starting[0].says_the_same(starting[1])
    assert not causes[0].says_the_same(found(UP))
    assert not causes[0].says_the_same(found(DOWN, UP))


def test_with_more_deployments_each_is_asked_less_often_and_all_together_never_more_than_two_a_second() -> None:
    assert interval(1) == interval(60) == 30
    assert interval(1000) == 500
