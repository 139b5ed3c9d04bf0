"""`agentos-runtime chat`, for a laptop: talk to an agent, a team or a workflow of a document in the terminal.

No server and no token: whoever can start it has the file and the keys anyway. agno's own terminal application ends the
stream of a run that waits for a decision, and agno then counts it as cancelled; hence a loop of our own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from agno.agent import Agent
from agno.run.agent import RunOutput
from agno.run.requirement import RunRequirement
from agno.run.team import TeamRunOutput
from agno.run.workflow import WorkflowRunOutput
from agno.team import Team
from agno.workflow import Workflow
from agno.workflow.types import StepRequirement, UserInputField
from rich.console import Console
from rich.markdown import Markdown
from rich.prompt import Confirm, Prompt

from agentos_runtime.agents.compile import Components, compile_components, surroundings_of
from agentos_runtime.agents.models import DeferredModel
from agentos_runtime.approvals import answers, records
from agentos_runtime.database.engine import create_database, create_engine
from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.http.wellformed import Refused
from agentos_runtime.reviews import record_id
from agentos_runtime.settings import Environ, Settings, read_secret
from agentos_spec import Spec
from agentos_spec.errors import did_you_mean

if TYPE_CHECKING:
    from agno.db.base import AsyncBaseDb

USER = "developer"
"""Whose sessions they are, as with the development token of `serve`."""
NO = "The user has said no."
Part = Agent | Team | Workflow
Paused = RunOutput | TeamRunOutput | WorkflowRunOutput


@dataclass(frozen=True)
class Chat:
    """One conversation."""

    part: Part
    session: str
    console: Console

    async def ask(self, message: str) -> None:
        """Print the answer to `message`, after a decision about each call that waits for one."""
        with self.console.status(f"{self.part.id} works"):
            run = await self.part.arun(input=message, session_id=self.session, user_id=USER)
        while run.is_paused:
            run = await self._decide(run)
        self.console.print(f"[bold]{self.part.id}[/bold]")
        self.console.print(Markdown(str(run.content or f"({run.status.value.lower()})")))

    async def _decide(self, run: Paused) -> Paused:
        """Ask about everything that the run waits for, and let it go on."""
        given: dict[str, Any] = {}
        if isinstance(run, WorkflowRunOutput):
            await self._decide_step(run)
            given["step_requirements"] = run.step_requirements
        else:
            await self._decide_calls(run.active_requirements)
            await self._record(run.requirements or [])
            given |= {"requirements": run.requirements, "user_id": USER}
        with self.console.status(f"{self.part.id} goes on"):
            part: Any = self.part
            done: Paused = await part.acontinue_run(run_id=run.run_id, session_id=self.session, **given)
        return done

    async def _decide_calls(self, requirements: Sequence[RunRequirement], asked: str | None = None) -> None:
        for requirement in requirements:
            call = requirement.tool_execution
            what = f"{call.tool_name}({call.tool_args})" if call else "what it asks for"
            who = requirement.member_agent_id or asked or self.part.id
            if await self._says_yes(f"Let {who} call {what}?"):
                requirement.confirm()  # type: ignore[no-untyped-call]
            else:
                requirement.reject(NO)

    async def _decide_step(self, run: WorkflowRunOutput) -> None:
        """A step waits for calls of whoever runs it, for an answer, or for a yes; the last of the list is the one."""
        steps = run.step_requirements or []
        step = steps[-1]
        if step.requires_executor_input:
            inside = [RunRequirement.from_dict(each) for each in step.executor_requirements or []]
            await self._decide_calls(inside, step.executor_id)
            await self._record(inside)
            step.executor_requirements = [each.to_dict() for each in inside]
        elif step.requires_route_selection:
            step.selected_choices = await self._choose(step)
        elif step.requires_user_input:
            step.set_user_input(**{each.name: await self._answer(each) for each in step.user_input_schema or []})
        else:
            await self._decide_about(step, record_id(str(run.run_id), len(steps) - 1))

    async def _decide_about(self, step: StepRequirement, record: str) -> None:
        if step.step_output is not None:
            self.console.print(Markdown(str(step.step_output.content)))
        if await self._says_yes(step.confirmation_message or f"Let the step {step.step_name} begin?"):
            step.confirm()
        else:
            step.reject(NO)
        decision = {"tool_call_id": record, "confirmed": step.confirmed, "confirmation_note": step.rejection_feedback}
        await records.resolve(cast("AsyncBaseDb", self.part.db), record, [decision], USER)

    async def _choose(self, step: StepRequirement) -> list[str]:
        offered = step.available_choices or []
        many = " (several with a comma between them)" if step.allow_multiple_selections else ""
        while True:
            said = await self._prompt(f"{step.user_input_message}{many}")
            chosen = list(dict.fromkeys(each.strip() for each in said.split(",") if each.strip()))
            if chosen and set(chosen) <= set(offered) and (step.allow_multiple_selections or len(chosen) == 1):
                return chosen
            self.console.print(f"There are {', '.join(offered)}.")

    async def _answer(self, field: UserInputField) -> Any:
        """In JSON where the field is no text; asked again until it fits, and nothing where it may be left out."""
        while True:
            said = await self._prompt(field.description or field.name)
            if not said and not field.required:
                return None
            try:
                value = said if field.field_type == "str" else json.loads(said)
                answers.check_field(field.to_dict(), value)
            except (ValueError, Refused):
                allowed = f", one of {', '.join(map(str, field.allowed_values))}" if field.allowed_values else ""
                self.console.print(f"It takes a value of the type {field.field_type}{allowed}.")
            else:
                return value

    async def _says_yes(self, question: str) -> bool:
        return await asyncio.to_thread(Confirm.ask, question, console=self.console)

    async def _prompt(self, question: str) -> str:
        return (await asyncio.to_thread(Prompt.ask, question, console=self.console, default="")).strip()

    async def _record(self, requirements: Sequence[RunRequirement]) -> None:
        """Write down what was decided: agno asks the records before it lets a team's member go on."""
        calls = [each.tool_execution.to_dict() for each in requirements if each.tool_execution]
        decided = [call for call in calls if call.get("approval_id") and call.get("confirmed") is not None]
        for id_ in sorted({str(call["approval_id"]) for call in decided}):
            covered = [call for call in decided if call["approval_id"] == id_]
            await records.resolve(cast("AsyncBaseDb", self.part.db), id_, covered, USER)


def chat(settings: Settings, spec: Spec, environ: Environ, *, name: str | None, session: str | None) -> int:
    """Talk until the input ends; a StartupError where nobody is called `name`."""
    engine = create_engine(settings.database)
    components = compile_components(
        spec,
        lambda ref, path: read_secret(settings, environ, ref, path),
        create_database(settings.database, engine),
        surroundings=surroundings_of(settings),
    )
    part = _find(components, name)
    for used in components.models:
        if isinstance(used.model, DeferredModel):
            used.model.load()
    asyncio.run(_talk(Chat(part, session or f"chat-{part.id}", Console())))
    return 0


def _find(components: Components, name: str | None) -> Part:
    everyone: list[Part] = [*components.agents, *components.teams, *components.workflows]
    parts = {str(part.id): part for part in everyone}
    if name is None:
        return next(iter(parts.values()))
    if name not in parts:
        hint = did_you_mean(name, list(parts)) or f"; there are {', '.join(parts)}"
        raise StartupError(Reason.INVALID_SETTINGS, f"{name!r} is in no document given{hint}")
    return parts[name]


async def _talk(conversation: Chat) -> None:
    """End of input, Ctrl+D or `exit` ends it."""
    conversation.console.print(f"You talk to {conversation.part.id}. Ctrl+D ends it.")
    while True:
        try:
            message = await asyncio.to_thread(Prompt.ask, f"[bold]{USER}[/bold]", console=conversation.console)
        except EOFError:
            return
        if message.strip() in ("exit", "quit"):
            return
        if message.strip():
            await conversation.ask(message)
