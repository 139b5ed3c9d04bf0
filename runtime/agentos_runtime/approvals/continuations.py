"""The layer before agno's `POST /agents/{id}/runs/{run}/continue` and `…/cancel`, and those of teams and workflows.

agno takes the calls of a paused run from the request: name, arguments, even a result. Here they are taken from the
stored run, the request adds the decision alone (decision.py), and each pause is continued once (claims.py). A run that
waits for nothing takes no calls at all. A team's run waits for the calls of its members, a workflow's for those of a
step or for a person (paused.py, answers.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from agno.db.base import AsyncBaseDb
from agno.os.scopes import has_required_scopes
from agno.run.base import RunStatus

from agentos_runtime.approvals import form, records
from agentos_runtime.approvals.answers import answered, check_same
from agentos_runtime.approvals.claims import Claims
from agentos_runtime.approvals.decision import Call, Verdict, by_id, decided, waiting
from agentos_runtime.approvals.paused import Run, find_run
from agentos_runtime.approvals.tickets import Paused, Tickets
from agentos_runtime.asgi import App, Message, Receive, Scope, Send, state_of
from agentos_runtime.auth.tokens import Identity
from agentos_runtime.http.problems import send_problem
from agentos_runtime.http.run_forms import is_true
from agentos_runtime.http.wellformed import Refused

_ROUTE = re.compile(r"/(agents|teams|workflows)/([^/]+)/runs/([^/]+)/(continue|cancel)")
_CALLS = frozenset({"tools", "requirements", "step_requirements"})
_OF_A_PAUSE = frozenset({"session_id", "user_id", "stream", "background"})
_SAYS_NOTHING = frozenset({"", "end", "false", "False", "0"})
"""Values that agno's own client sends for fields it does not use."""
_AT_REST = frozenset({RunStatus.completed, RunStatus.error, RunStatus.regenerated})


@dataclass(frozen=True)
class Asked:
    """One request to continue."""

    kind: str
    """agents, teams or workflows."""
    component: str
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


@dataclass(frozen=True)
class Gated:
    """What only an approver decides about, by the id of whoever was asked for the run."""

    calls: Mapping[str, AbstractSet[str]]
    """Names of functions."""
    steps: Mapping[str, AbstractSet[str]]
    """Names of steps of workflows."""

    def names(self, component: str, run: Run) -> AbstractSet[str]:
        """Of what this run may wait for."""
        return (self.steps if run.review else self.calls).get(component, frozenset())


class Continuations:
    """Lets a request to continue through in a form in which agno cannot be misled by it."""

    def __init__(
        self,
        app: App,
        database: AsyncBaseDb,
        claims: Claims,
        gated: Gated,
        tickets: Tickets | None = None,
    ) -> None:
        self._app = app
        self._database = database
        self._claims = claims
        self._gated = gated
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
            await self._cancel(scope, receive, send, kind, component, run)
        else:
            caller: Identity = state_of(scope)["identity"]
            fields = await form.read(scope, receive)
            await self._continue(scope, receive, send, Asked(kind, component, run, caller, fields))

    async def _continue(self, scope: Scope, receive: Receive, send: Send, asked: Asked) -> None:
        run = await self._stored(asked)
        if run.status != RunStatus.paused:
            _check_at_rest(run, asked)
            other = "requirements" if asked.kind == "agents" else "tools"
            kept = {name: value for name, value in asked.fields.items() if name != other}
            await self._app(*form.rewritten(scope, receive, kept), send)
            return
        decision, claims = await self._decide(run, asked)
        if not await self._claims.take(claims, asked.run):
            raise Refused(409, "This run has been continued already. If it did not end, start a new one.")
        if self._tickets and is_true(asked.fields, "background"):
            await self._park(self._tickets, run, asked, claims)
        kept = {name: value for name, value in asked.fields.items() if name in _OF_A_PAUSE}
        request = form.rewritten(scope, receive, {**kept, **decision})
        await self._app(*request, _Beginning(send, self._claims, claims).send)

    async def _park(self, tickets: Tickets, run: Run, asked: Asked, claims: AbstractSet[str]) -> None:
        """Before agno looks for the run in its queue; a queue that cannot be written leaves the pause as it was."""
        paused = Paused(asked.run, asked.kind, asked.component, asked.fields["session_id"], run.user)
        try:
            await tickets.park(paused, streams=is_true(asked.fields, "stream", left_out=True))
        except Exception:
            await self._claims.give_back(claims)
            raise

    async def _stored(self, asked: Asked) -> Run:
        """The run, if it is the caller's and this agent's or team's."""
        session_id = asked.fields.get("session_id")
        if not session_id:
            problem = [{"at": "body.session_id", "problem": "is required"}]
            raise Refused(422, "The request does not have the expected form.", problem)
        if asked.fields.get("user_id", asked.caller.user) != asked.caller.user and not asked.is_admin:
            raise Refused(403, "user_id is not the token's subject.")
        owner = None if asked.is_admin else asked.caller.user
        run = await find_run(self._database, asked.kind, asked.component, asked.run, session_id, owner)
        if run is None:
            raise Refused(404, "Run not found")
        return run

    async def _decide(self, run: Run, asked: Asked) -> tuple[dict[str, str], set[str]]:
        """What agno is to continue with, as a field of its form, and what is claimed by doing so."""
        _check_fields(asked.fields)
        if await self._claims.is_taken(_cancelled(asked.run)):
            raise Refused(409, "This run was cancelled.")
        if run.review is not None and run.asks:
            step = answered(run.review, form.review(asked.fields))
            return run.answer(step), {f"step:{asked.run}:{len(run.steps or ())}"}
        if run.review is not None:
            check_same(run.review, form.review(asked.fields))
        calls = waiting(run.calls)
        _check_ids(run.calls, calls)
        return run.form(await self._decide_calls(run, calls, asked)), {_claim(asked.run, call) for call in calls}

    async def _decide_calls(self, run: Run, calls: Sequence[Call], asked: Asked) -> list[dict[str, Any]]:
        """The calls that wait, each with its decision, which stands in its record from now on."""
        verdicts = await records.verdicts(self._database, run.ids, calls)
        self._check_right(run, asked, calls, verdicts)
        given = _apply(calls, asked, verdicts)
        pending = [id_ for id_, verdict in verdicts.items() if verdict is None]
        for id_ in pending:
            covered = [call for call in given if call.get("approval_id") == id_]
            await records.resolve(self._database, id_, covered, asked.caller.user)
        if pending:
            # Somebody else may have been faster: what the record says is what counts.
            given = _apply(calls, asked, await records.verdicts(self._database, run.ids, calls))
        return given

    def _check_right(
        self, run: Run, asked: Asked, calls: Sequence[Call], verdicts: Mapping[str, Verdict | None]
    ) -> None:
        """Refuse a caller who decides what somebody else has to."""
        guarded = self._gated.names(asked.component, run)
        for call in calls:
            if call["tool_name"] not in guarded or verdicts.get(str(call.get("approval_id"))):
                continue
            if not asked.approves:
                what = "step" if run.review else "call of"
                raise Refused(403, f"The {what} {call['tool_name']} waits for an approver (scope approvals:write).")

    async def _cancel(self, scope: Scope, receive: Receive, send: Send, kind: str, component: str, run_id: str) -> None:
        """agno keeps a paused run as it is when it is cancelled; from here on it cannot be continued."""
        caller: Identity = state_of(scope)["identity"]
        session_id = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("session_id", "")

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                await self._claims.take({_cancelled(run_id)}, run_id)
                run = await find_run(self._database, kind, component, run_id, session_id, None) if session_id else None
                for id_ in sorted(run.ids if run else {run_id}):
                    await records.cancel(self._database, id_, caller.user)
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


def _check_at_rest(run: Run, asked: Asked) -> None:
    """What may be done with a run that waits for no decision: go on with new words, or once more after an error."""
    status = run.status.value
    if run.steps is not None:
        raise Refused(409, f"The run is {status}; only one that waits for a decision is continued.")
    if form.calls(asked.fields):
        raise Refused(409, f"The run is {status}; no call of it waits for a decision.")
    if run.status not in _AT_REST:
        raise Refused(409, f"The run is {status} and cannot be continued.")
    if run.status == RunStatus.completed and not _says(asked.fields, "input", "fork", "regenerate"):
        raise Refused(409, "The run is COMPLETED; send input to go on, or fork or regenerate.")
    if waiting(run.calls):
        raise Refused(409, "The run ended with an error before its calls ran; start a new one.")


def _check_fields(fields: Mapping[str, str]) -> None:
    """A paused run is decided about, and nothing else."""
    more = sorted(name for name in fields.keys() - _OF_A_PAUSE - _CALLS if _says(fields, name))
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
