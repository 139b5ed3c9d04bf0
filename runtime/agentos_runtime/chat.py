"""`agentos-runtime chat`, for a laptop: talk to an agent, a team or a workflow of a document in the terminal.

No server and no token: whoever can start it has the file and the keys anyway. agno's own terminal application ends the
stream of a run that waits for a decision, and agno then counts it as cancelled; hence a loop of our own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from agno.agent import Agent
from agno.run.agent import RunOutput
from agno.run.team import TeamRunOutput
from agno.team import Team
from agno.workflow import Workflow
from rich.console import Console
from rich.markdown import Markdown
from rich.prompt import Confirm, Prompt

from agentos_runtime.agents.compile import Components, compile_components, surroundings_of
from agentos_runtime.agents.models import DeferredModel
from agentos_runtime.approvals import records
from agentos_runtime.database.engine import create_database, create_engine
from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.settings import Environ, Settings, read_secret
from agentos_spec import Spec
from agentos_spec.errors import did_you_mean

if TYPE_CHECKING:
    from agno.db.base import AsyncBaseDb

USER = "developer"
"""Whose sessions they are, as with the development token of `serve`."""
Part = Agent | Team | Workflow


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
        while isinstance(self.part, Agent | Team) and isinstance(run, RunOutput | TeamRunOutput) and run.is_paused:
            run = await self._decide(self.part, run)
        self.console.print(f"[bold]{self.part.id}[/bold]")
        self.console.print(Markdown(str(run.content or f"({run.status.value.lower()})")))

    async def _decide(self, part: Agent | Team, run: RunOutput | TeamRunOutput) -> RunOutput | TeamRunOutput:
        for requirement in run.active_requirements:
            call = requirement.tool_execution
            what = f"{call.tool_name}({call.tool_args})" if call else "what it asks for"
            who = requirement.member_agent_id or part.id
            if await asyncio.to_thread(Confirm.ask, f"Let {who} call {what}?", console=self.console):
                requirement.confirm()  # type: ignore[no-untyped-call]
            else:
                requirement.reject("The user has said no.")
        await self._record(run)
        with self.console.status(f"{part.id} goes on"):
            done: RunOutput | TeamRunOutput = await part.acontinue_run(
                run_id=run.run_id, requirements=run.requirements, session_id=self.session, user_id=USER
            )
        return done

    async def _record(self, run: RunOutput | TeamRunOutput) -> None:
        """Write down what was decided: agno asks the records before it lets a team's member go on."""
        calls = [each.tool_execution.to_dict() for each in run.requirements or [] if each.tool_execution]
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
