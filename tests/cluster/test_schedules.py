"""A time of a schedule begins one run, whichever of two pods is first."""

from __future__ import annotations

from tests.cluster.desk import NAME, NAMESPACE
from tests.cluster.tenancy import Tenancy, eventually

COUNTS = """
SELECT count(*), count(*) FILTER (WHERE status = 'success'),
  (SELECT count(*) FROM {schema}.agno_sessions WHERE user_id = 'schedule:{name}.digest')
FROM {schema}.agno_schedule_runs
"""


def test_each_time_of_a_schedule_begins_one_run_over_two_pods(desk: Tenancy) -> None:
    desk.wait("agentdeployment", NAME, NAMESPACE)
    pods = desk.list("pods", NAMESPACE)
    assert len([pod for pod in pods if pod["metadata"]["labels"].get("agentos.hyvve.io/deployment") == NAME]) == 2
    query = COUNTS.format(schema=desk.secret_value("agentos-database", NAMESPACE, "schema"), name=NAME)

    def all_ended() -> list[int]:
        times, ended, sessions = map(int, desk.psql(query).strip().split("|"))
        return [times, sessions] if times == ended > 0 else []

    times, sessions = eventually(all_ended, 120)
    assert sessions == times
