"""From a stored call and what a caller sent, the call as agno is to continue it. Pure.

Called by continuations.py. Whatever the caller sent beyond the decision must be what is stored: a client that shows a
person one call and sends another is told so, rather than corrected silently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentos_runtime.http.wellformed import Refused

Call = Mapping[str, Any]
"""A tool call as agno writes it in JSON."""
_LONGEST_NOTE = 4096
_DECIDES = {
    "requires_confirmation": {"confirmed", "confirmation_note"},
    "requires_user_input": {"user_input_schema", "user_feedback_schema", "answered"},
    "external_execution_required": {"result"},
}
"""By what a call waits for, the fields that a caller may set."""


@dataclass(frozen=True)
class Verdict:
    """What an approval record says of the calls it covers."""

    approved: bool
    note: str | None = None
    by_call: Mapping[str, bool] = field(default_factory=dict)
    """Calls of one pause that were decided differently from each other, by their ids."""

    def of(self, call: Call) -> bool:
        """Whether this call may run."""
        return self.by_call.get(str(call["tool_call_id"]), self.approved)


def waiting(calls: Sequence[Call]) -> list[Call]:
    """Calls of a run that somebody has to decide about."""
    return [call for call in calls if call.get("result") is None and any(call.get(what) for what in _DECIDES)]


def by_id(stored: Sequence[Call], sent: Sequence[Call]) -> dict[str, Call]:
    """What was sent about each stored call; Refused where a call is not among them, or is there twice."""
    known = {str(call["tool_call_id"]) for call in stored}
    found: dict[str, Call] = {}
    for place, call in enumerate(sent):
        id_ = call.get("tool_call_id")
        if not isinstance(id_, str) or id_ not in known:
            raise _refused(place, "tool_call_id", "names no call of this run that waits")
        if id_ in found:
            raise _refused(place, "tool_call_id", "is there twice")
        found[id_] = call
    return found


def decided(place: int, stored: Call, sent: Call | None, verdict: Verdict | None) -> dict[str, Any]:
    """The stored call with the decision in it. `verdict` is the approval record's, where there is one."""
    said = sent or {}
    _same(place, stored, said)
    if stored.get("requires_confirmation"):
        return {**stored, **_confirmation(place, stored, said, verdict)}
    if stored.get("requires_user_input"):
        return {**stored, **_answers(place, stored, said), "answered": True}
    return {**stored, "result": _result(place, said)}


def _same(place: int, stored: Call, sent: Call) -> None:
    """Refuse a call that differs from the stored one in anything that is no decision."""
    free = set().union(*(fields for what, fields in _DECIDES.items() if stored.get(what)))
    for name, value in sent.items():
        if name not in free and value != stored.get(name):
            raise _refused(place, name[:64], "differs from the call that waits; only the decision can be sent")


def _confirmation(place: int, stored: Call, sent: Call, verdict: Verdict | None) -> dict[str, Any]:
    said, note = sent.get("confirmed"), sent.get("confirmation_note")
    if said is not None and not isinstance(said, bool):
        raise _refused(place, "confirmed", "must be true or false")
    if note is not None and (not isinstance(note, str) or len(note) > _LONGEST_NOTE):
        raise _refused(place, "confirmation_note", f"must be a text of at most {_LONGEST_NOTE} characters")
    if verdict is None:
        if said is None:
            raise Refused(409, f"The call of {stored['tool_name']} waits for a decision; send confirmed.")
        return {"confirmed": said, "confirmation_note": note}
    if said is not None and said != verdict.of(stored):
        word = "approved" if verdict.of(stored) else "rejected"
        raise Refused(409, f"The call of {stored['tool_name']} has been {word}; that cannot be changed here.")
    return {"confirmed": verdict.of(stored), "confirmation_note": verdict.note}


def _answers(place: int, stored: Call, sent: Call) -> dict[str, Any]:
    """The stored questions with the caller's answers to those that are open."""
    if stored.get("user_feedback_schema"):
        return {"user_feedback_schema": _choices(place, stored["user_feedback_schema"], sent)}
    questions = stored.get("user_input_schema") or []
    given = _list(place, sent, "user_input_schema")
    values = {item.get("name"): item.get("value") for item in given}
    if len(values) != len(given) or not values.keys() <= {question["name"] for question in questions}:
        raise _refused(place, "user_input_schema", "holds fields that the call does not ask for, or one twice")
    return {"user_input_schema": [_answered(place, question, values) for question in questions]}


def _answered(place: int, question: Call, values: Mapping[Any, Any]) -> dict[str, Any]:
    name, stored = question["name"], question.get("value")
    value = values.get(name, stored)
    if stored is not None and value not in (None, stored):
        raise _refused(place, f"user_input_schema.{name}", "has a value already and is not asked for")
    if stored is None and value is None:
        raise _refused(place, f"user_input_schema.{name}", "waits for an answer")
    return {**question, "value": stored if stored is not None else value}


def _choices(place: int, questions: Sequence[Call], sent: Call) -> list[dict[str, Any]]:
    """The stored questions with the options that the caller chose among those offered."""
    given = {item.get("question"): item.get("selected_options") for item in _list(place, sent, "user_feedback_schema")}
    if not given.keys() <= {question["question"] for question in questions}:
        raise _refused(place, "user_feedback_schema", "holds a question that was not asked")
    return [{**question, "selected_options": _chosen(place, question, given)} for question in questions]


def _chosen(place: int, question: Call, given: Mapping[Any, Any]) -> list[str]:
    offered = {option["label"] for option in question.get("options") or []}
    chosen = given.get(question["question"])
    if not isinstance(chosen, list) or not all(isinstance(label, str) for label in chosen):
        raise _refused(place, "user_feedback_schema", "needs selected_options for every question")
    if offered and not set(chosen) <= offered:
        raise _refused(place, "user_feedback_schema", "selects an option that was not offered")
    return chosen


def _list(place: int, sent: Call, name: str) -> list[dict[str, Any]]:
    value = sent.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _refused(place, name, "must be a list of objects")
    return value


def _result(place: int, sent: Call) -> str:
    result = sent.get("result")
    if not isinstance(result, str):
        raise _refused(place, "result", "must be the text that the call came to outside")
    return result


def in_json(call: Mapping[str, Any]) -> Call:
    """A call of agno's in the form in which it is sent and received."""
    value: Call = json.loads(json.dumps(call, default=str))
    return value


def _refused(place: int, name: str, problem: str) -> Refused:
    detail = "The decision does not fit the calls that wait."
    return Refused(422, detail, [{"at": f"body.tools.{place}.{name}", "problem": problem}])
