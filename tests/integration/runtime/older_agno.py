"""Run by the interpreter of an older agno: an agent as plain agno has it, writing to a schema or reading from it.

    python older_agno.py write|read SYNC_URL SCHEMA MODEL_URL [MESSAGE ...]

Says on its last line what is in the session, as JSON.
"""

import json
import sys
from typing import Any

from agno.agent import Agent
from agno.db.base import SessionType
from agno.db.postgres import PostgresDb
from agno.db.schemas import UserMemory
from agno.models.openai import OpenAIChat

SESSION, USER, MEMORY = "s-older", "alice", "m-older"


def main(action: str, url: str, schema: str, model_url: str, *messages: str) -> None:
    database = PostgresDb(db_url=url, db_schema=schema, create_schema=False, id="workspace")
    if action == "write":
        model = OpenAIChat(id="gpt-4o-mini", base_url=f"{model_url}/v1", api_key="none")
        agent = Agent(id="support", model=model, db=database, telemetry=False, add_history_to_context=True)
        for message in messages:
            agent.run(message, session_id=SESSION, user_id=USER)
            memory = UserMemory(memory="Alice likes " + message, memory_id=MEMORY, user_id=USER, topics=["taste"])
            database.upsert_user_memory(memory)
    session: Any = database.get_session(session_id=SESSION, session_type=SessionType.AGENT, user_id=USER)
    memories: Any = database.get_user_memories(user_id=USER)
    answers = [str(run.content) for run in (session.runs or [])] if session else []
    print(json.dumps({"answers": answers, "memories": [each.memory for each in memories]}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
