"""What `bench.documents` declares, made by hand: agno's constructors as its documentation shows them, nothing of ours.

The baseline of the part `spec-compile`. Whoever writes it down in Python makes an agent anew for each place too: an
agent of agno belongs to one team or workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agno.agent import Agent
from agno.db.base import AsyncBaseDb
from agno.guardrails import PromptInjectionGuardrail
from agno.models.openai import OpenAIChat
from agno.team import Team, TeamMode
from agno.tools.calculator import CalculatorTools
from agno.workflow import Condition, Parallel, Router, Step, Workflow

from bench.documents import MANY, PLACES

Made = Sequence[Agent | Team | Workflow]
_URL = "http://fake-model.agentos-demo.svc.cluster.local/v1"


def _model() -> OpenAIChat:
    return OpenAIChat(id="gpt-4o-mini", base_url=_URL, api_key="not-a-real-key")


def support(db: AsyncBaseDb) -> Made:
    """examples/support.yaml."""
    return [
        Agent(
            id="support",
            name="Support",
            description="Answers customers' questions.",
            instructions=["Answer in one or two sentences.", "Calculate with the calculator, never in your head."],
            model=_model(),
            tools=[CalculatorTools(requires_confirmation_tools=["divide"])],  # type: ignore[no-untyped-call]
            add_history_to_context=True,
            num_history_runs=5,
            db=db,
            telemetry=False,
        )
    ]


def newsroom(db: AsyncBaseDb) -> Made:
    """examples/newsroom.yaml."""
    shared: dict[str, Any] = {"db": db, "telemetry": False}

    def writer() -> Agent:
        told = ["Write three sentences about what you are asked."]
        guards: list[Any] = [PromptInjectionGuardrail()]
        role = "Writes drafts."
        return Agent(id="writer", role=role, instructions=told, pre_hooks=guards, model=_model(), **shared)

    def editor() -> Agent:
        told, role = ["Answer with the corrected text alone."], "Corrects and shortens drafts."
        return Agent(id="editor", role=role, instructions=told, model=_model(), **shared)

    def desk() -> Team:
        return Team(id="desk", mode=TeamMode.coordinate, members=[writer(), editor()], model=_model(), **shared)

    long, who = "previous_step_content.size() > 500", 'input.contains("team") ? "by-team" : "by-editor"'
    opinions: list[Any] = [Step(name=name, agent=editor()) for name in ("facts", "style")]
    steps: list[Any] = [
        Step(name="draft", agent=writer()),
        Condition(name="is-long", evaluator=long, steps=[Step(name="shorten", agent=editor())]),
        Parallel(*opinions, name="opinions"),
        Router(
            name="who-answers",
            selector=who,
            choices=[Step(name="by-team", team=desk()), Step(name="by-editor", agent=editor())],
        ),
    ]
    return [writer(), editor(), desk(), Workflow(id="story", steps=steps, **shared)]


def largest(db: AsyncBaseDb) -> Made:
    """As much as one document may hold."""
    shared: dict[str, Any] = {"db": db, "telemetry": False}

    def agent(number: int) -> Agent:
        calculator = CalculatorTools()  # type: ignore[no-untyped-call]
        told = ["Answer briefly."]
        return Agent(id=f"agent-{number}", instructions=told, tools=[calculator], model=_model(), **shared)

    agents = [agent(number) for number in range(MANY)]
    teams = [
        Team(id=f"team-{number}", members=[agent(member) for member in range(PLACES)], model=_model(), **shared)
        for number in range(MANY)
    ]
    workflows = [
        Workflow(
            id=f"workflow-{number}",
            steps=[Step(name=f"step-{place}", agent=agent(place)) for place in range(PLACES)],
            **shared,
        )
        for number in range(MANY)
    ]
    return [*agents, *teams, *workflows]


BY_HAND: Mapping[str, Callable[[AsyncBaseDb], Made]] = {"support": support, "newsroom": newsroom, "largest": largest}
"""By the name of the document."""
