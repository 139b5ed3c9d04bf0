"""The baseline of every comparison: agno's AgentOS as its documentation shows it, with the agent of `bench.agent`.

Run by `uvicorn plain_agno:app`, as `AgentOS.serve` does it, in a process of its own and in a bare pod. It must stay
free of anything of ours. Two settings differ from agno's defaults: telemetry is off, because nothing here may call
out, and the schema has a name, because both programs share one database.
"""

import os

from agno.agent import Agent
from agno.db.postgres import AsyncPostgresDb
from agno.models.openai import OpenAIChat
from agno.os import AgentOS
from agno.tools.calculator import CalculatorTools

db = AsyncPostgresDb(db_url=os.environ["DATABASE_URL"], db_schema=os.environ["DATABASE_SCHEMA"])

agent = Agent(
    id="support",
    name="Support",
    description="Answers customers' questions.",
    instructions=["Answer in one or two sentences.", "Calculate with the calculator, never in your head."],
    model=OpenAIChat(id="gpt-4o-mini", base_url=os.environ["MODEL_URL"], api_key="not-a-real-key"),
    tools=[CalculatorTools(requires_confirmation_tools=["divide"])],  # type: ignore[no-untyped-call]
    add_history_to_context=True,
    num_history_runs=5,
    db=db,
    telemetry=False,
)

agent_os = AgentOS(id="plain", agents=[agent], db=db, telemetry=False)
app = agent_os.get_app()
