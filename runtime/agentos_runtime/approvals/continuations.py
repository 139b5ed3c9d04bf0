"""The layer before agno's `POST /agents/{id}/runs/{run}/continue` and `…/cancel`.

agno takes the calls of a paused run from the request: name, arguments, even a result. Here they are taken from the
stored run, the request adds the decision alone (decision.py), and each pause is continued once (claims.py). A run that
waits for nothing takes no calls at all. Teams and workflows keep their calls elsewhere and are not continued yet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from agno.db.base import AsyncBaseDb, SessionType
from agno.os.scopes import has_required_scopes
from agno.run.agent import RunOutput
from agno.run.base import RunStatus
from agno.session import AgentSession

from agentos_runtime.approvals import form, records
from agentos_runtime.approvals.claims import Claims
from agentos_runtime.approvals.decision import Call, Verdict, by_id, decided, in_json, waiting
from agentos_runtime.approvals.tickets import Tickets
from agentos_runtime.asgi import App, Message, Receive, Scope, Send, state_of
from agentos_runtime.auth.tokens import Identity
from agentos_runtime.http.problems import send_problem
from agentos_runtime.http.run_forms import is_true
from agentos_runtime.http.wellformed import Refused

_ROUTE = re.compile(r"/(agents|teams|workflows)/([^/]+)/runs/([^/]+)/(continue|cancel)")
_OF_A_PAUSE = frozenset({"tools", "session_id", "user_id", "stream", "background"})
_SAYS_NOTHING = frozenset({"", "end", "false", "False", "0"})
"""Values that agno's own client sends for fields it does not use."""
_AT_REST = frozenset({RunStatus.completed, RunStatus.error, RunStatus.regenerated})


@dataclass(frozen=True)
class Asked:
    """One request to continue."""

    agent: str
    run: str
    caller: Identity
    fields: Mapping[str, str]

    @property
    def is_admin(self) -> bool:
        """Administrators see everybody's runs."""
        return "agent_os:admin" in self.caller.scopes

    @property
    def approves(self) -> bool:
        """Whether the caller may decide what its own user may not."""
        return has_required_scopes(list(self.caller.scopes), ["approvals:write"])


class Continuations:
    """Lets a request to continue through in a form in which agno cannot be misled by it."""

    def __init__(
        self,
        app: App,
        database: AsyncBaseDb,
        claims: Claims,
        guarded: Mapping[str, AbstractSet[str]],
        tickets: Tickets | None = None,
    ) -> None:
        self._app = app
        self._database = database
        self._claims = claims
        self._guarded = guarded
        self._tickets = tickets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = _ROUTE.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        try:
            await self._answer(scope, receive, send, route)
        except Refused as refused:
            await send_problem(scope, send, refused.status, refused.detail, errors=refused.errors or None)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, route: re.Match[str]) -> None:
        kind, component, run, action = route.groups()
        if action == "cancel":
            await self._cancel(scope, receive, send, run)
        elif kind == "agents":
            await self._continue(scope, receive, send, component, run)
        else:
            raise Refused(403, f"Runs of {kind} cannot be continued here yet.")

    async def _continue(self, scope: Scope, receive: Receive, send: Send, agent: str, run_id: str) -> None:
        caller: Identity = state_of(scope)["identity"]
        asked = Asked(agent, run_id, caller, await form.read(scope, receive))
        run = await self._stored(asked)
        if run.status != RunStatus.paused:
            _check_at_rest(run, asked)
            await self._app(*form.rewritten(scope, receive, asked.fields), send)
            return
        calls, claims = await self._decide(run, asked)
        if not await self._claims.take(claims, run_id):
            raise Refused(409, "This run has been continued already. If it did not end, start a new one.")
        if self._tickets and is_true(asked.fields, "background"):
            await self._park(self._tickets, run, asked, claims)
        kept = {name: value for name, value in asked.fields.items() if name in _OF_A_PAUSE}
        request = form.rewritten(scope, receive, {**kept, "tools": json.dumps(calls)})
        await self._app(*request, _Beginning(send, self._claims, claims).send)

    async def _park(self, tickets: Tickets, run: RunOutput, asked: Asked, claims: AbstractSet[str]) -> None:
        """Before agno looks for the run in its queue; a queue that cannot be written leaves the pause as it was."""
        try:
            await tickets.park(run, streams=is_true(asked.fields, "stream", left_out=True))
        except Exception:
            await self._claims.give_back(claims)
            raise

    async def _stored(self, asked: Asked) -> RunOutput:
        """The run, if it is the caller's and this agent's."""
        session_id = asked.fields.get("session_id")
        if not session_id:
            problem = [{"at": "body.session_id", "problem": "is required"}]
            raise Refused(422, "The request does not have the expected form.", problem)
        if asked.fields.get("user_id", asked.caller.user) != asked.caller.user and not asked.is_admin:
            raise Refused(403, "user_id is not the token's subject.")
        owner = None if asked.is_admin else asked.caller.user
        session = await self._database.get_session(session_id, session_type=SessionType.AGENT, user_id=owner)
        run = session.get_run(asked.run) if isinstance(session, AgentSession) else None
        if not isinstance(run, RunOutput) or run.agent_id != asked.agent:
            raise Refused(404, "Run not found")
        return run

    async def _decide(self, run: RunOutput, asked: Asked) -> tuple[list[dict[str, Any]], set[str]]:
        """The calls as agno is to continue them, and what is claimed by doing so."""
        _check_fields(asked.fields)
        stored = [in_json(tool.to_dict()) for tool in run.tools or []]
        calls = waiting(stored)
        _check_ids(stored, calls)
        if await self._claims.is_taken(_cancelled(asked.run)):
            raise Refused(409, "This run was cancelled.")
        verdicts = await records.verdicts(self._database, asked.run, calls)
        self._check_right(asked, calls, verdicts)
        given = _apply(calls, asked, verdicts)
        pending = [id_ for id_, verdict in verdicts.items() if verdict is None]
        for id_ in pending:
            covered = [call for call in given if call.get("approval_id") == id_]
            await records.resolve(self._database, id_, covered, asked.caller.user)
        if pending:
            # Somebody else may have been faster: what the record says is what counts.
            given = _apply(calls, asked, await records.verdicts(self._database, asked.run, calls))
        return given, {_claim(asked.run, call) for call in calls}

    def _check_right(self, asked: Asked, calls: Sequence[Call], verdicts: Mapping[str, Verdict | None]) -> None:
        """Refuse a caller who decides what somebody else has to."""
        guarded = self._guarded.get(asked.agent, frozenset())
        for call in calls:
            if call["tool_name"] not in guarded or verdicts.get(str(call.get("approval_id"))):
                continue
            if not asked.approves:
                raise Refused(403, f"The call of {call['tool_name']} waits for an approver (scope approvals:write).")

    async def _cancel(self, scope: Scope, receive: Receive, send: Send, run_id: str) -> None:
        """agno keeps a paused run as it is when it is cancelled; from here on it cannot be continued."""
        caller: Identity = state_of(scope)["identity"]

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                await self._claims.take({_cancelled(run_id)}, run_id)
                await records.cancel(self._database, run_id, caller.user)
            await send(message)

        await self._app(scope, receive, noting)


class _Beginning:
    """Watches how agno answers: what it refused did not begin, and may be tried again."""

    def __init__(self, send: Send, claims: Claims, taken: AbstractSet[str]) -> None:
        self._send = send
        self._claims = claims
        self._taken = taken

    async def send(self, message: Message) -> None:
        """Pass on; give the claims back before a refusal is told."""
        if message["type"] == "http.response.start" and 400 <= message["status"] < 500:
            await self._claims.give_back(self._taken)
        await self._send(message)


def _apply(calls: Sequence[Call], asked: Asked, verdicts: Mapping[str, Verdict | None]) -> list[dict[str, Any]]:
    sent = by_id(calls, form.calls(asked.fields))
    return [
        decided(place, call, sent.get(str(call["tool_call_id"])), verdicts.get(str(call.get("approval_id"))))
        for place, call in enumerate(calls)
    ]


def _check_at_rest(run: RunOutput, asked: Asked) -> None:
    """What may be done with a run that waits for no decision: go on with new words, or once more after an error."""
    status = run.status.value
    if form.calls(asked.fields):
        raise Refused(409, f"The run is {status}; no call of it waits for a decision.")
    if run.status not in _AT_REST:
        raise Refused(409, f"The run is {status} and cannot be continued.")
    if run.status == RunStatus.completed and not _says(asked.fields, "input", "fork", "regenerate"):
        raise Refused(409, "The run is COMPLETED; send input to go on, or fork or regenerate.")
    if waiting([in_json(tool.to_dict()) for tool in run.tools or []]):
        raise Refused(409, "The run ended with an error before its calls ran; start a new one.")


def _check_fields(fields: Mapping[str, str]) -> None:
    """A paused run is decided about, and nothing else."""
    more = sorted(name for name in fields.keys() - _OF_A_PAUSE if _says(fields, name))
    if more:
        errors = [{"at": f"body.{name}", "problem": "cannot be sent while calls wait for a decision"} for name in more]
        raise Refused(422, "The run waits for a decision.", errors)


def _check_ids(stored: Sequence[Call], calls: Sequence[Call]) -> None:
    """agno finds calls by their ids alone; where one is not unique, it would run another call or one twice."""
    if not calls:
        raise Refused(409, "No call of this run waits for a decision.")
    unfinished = [call["tool_call_id"] for call in stored if call.get("result") is None]
    if any(unfinished.count(call["tool_call_id"]) > 1 for call in calls):
        raise Refused(409, "Calls of this run share an id, so that none can be decided about; start a new run.")


def _says(fields: Mapping[str, str], *names: str) -> bool:
    return any(fields.get(name, "") not in _SAYS_NOTHING for name in names)


def _claim(run_id: str, call: Call) -> str:
    """An approval where there is one: a fork of the session has the same, under another run's id."""
    return f"approval:{call['approval_id']}" if call.get("approval_id") else f"call:{run_id}:{call['tool_call_id']}"


def _cancelled(run_id: str) -> str:
    return f"cancelled:{run_id}"
