"""What an agent is to know is kept in pgvector of its workspace's own schema, and found there."""

from __future__ import annotations

import json

import httpx

from tests.cluster.desk import NAME, NAMESPACE
from tests.cluster.tenancy import Tenancy, eventually

QUERY = "How long is the warranty on lamps?"
VECTORS = """
SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relkind = 'r' AND relnamespace = '{schema}'::regnamespace AND atttypid = 'ext.vector'::regtype
"""


def test_an_agent_answers_from_a_config_map_that_is_kept_in_its_workspaces_schema(desk: Tenancy) -> None:
    desk.wait("agentdeployment", NAME, NAMESPACE)
    with desk.client(NAME, NAME, desk.token(NAME)) as client:
        answer = eventually(lambda: _found(client))
    assert "The warranty on lamps lasts five years" in answer
    schema = desk.secret_value("agentos-database", NAMESPACE, "schema")
    (table,) = desk.psql(VECTORS.format(schema=schema)).split()
    texts = desk.psql(f"SELECT count(*) FROM {schema}.{table}").strip()
    assert texts == "2", "two pods have loaded the two texts once"


def _found(client: httpx.Client) -> str:
    """What the agent says after a search that found something: pods answer before their texts are loaded."""
    message = "call search_knowledge_base " + json.dumps({"query": QUERY})
    answer = client.post(f"/agents/{NAME}/runs", data={"message": message, "stream": "false"})
    content = str(answer.json()["content"]) if answer.status_code == 200 else ""
    return content if "warranty" in content.replace(QUERY, "") else ""
