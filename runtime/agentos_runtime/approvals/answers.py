"""From a stored step and what a caller sent, the step as agno is to go on with it: what its user answers. Pure.

Called by continuations.py for steps that ask their user for something, rather than for a yes or a no.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agentos_runtime.approvals.decision import Call
from agentos_runtime.http.wellformed import Refused

_ANSWERS = frozenset({"user_input", "selected_choices", "confirmed", "rejection_feedback"})
"""Fields of a step in which something is said; all others have to be what is stored."""
_FITS: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "dict": lambda value: isinstance(value, dict),
}


def check_same(stored: Call, sent: Call) -> None:
    """Refuse a step that differs from the stored one in anything that is no decision."""
    for name, value in sent.items():
        if name not in _ANSWERS and value != stored.get(name):
            raise _refused(name[:64], "differs from the step that waits; only the decision can be sent")


def answered(stored: Call, sent: Call) -> dict[str, Any]:
    """The stored step with its user's answers, or with the choices of a Router."""
    check_same(stored, sent)
    if stored.get("requires_route_selection"):
        return {**stored, "selected_choices": _chosen(stored, sent.get("selected_choices"))}
    return {**stored, "user_input": _values(stored["user_input_schema"], sent.get("user_input"))}


def _chosen(stored: Call, given: Any) -> list[str]:
    offered = stored["available_choices"]
    if given is None:
        raise Refused(409, f"The step {stored['step_name']} waits for its user to choose; send selected_choices.")
    if not isinstance(given, list) or not given or not all(each in offered for each in given):
        raise _refused("selected_choices", f"must be a list with some of {', '.join(offered)}")
    if len(set(given)) < len(given) or (len(given) > 1 and not stored["allow_multiple_selections"]):
        raise _refused("selected_choices", "holds more than may be chosen")
    return given


def _values(asked: list[dict[str, Any]], given: Any) -> dict[str, Any]:
    if given is None:
        raise Refused(409, "The step waits for what it asks its user; send user_input.")
    if not isinstance(given, dict):
        raise _refused("user_input", "must be a mapping of names to values")
    names = {field["name"] for field in asked}
    for name in given:
        if name not in names:
            raise _refused(f"user_input.{str(name)[:64]}", "is not asked for")
    for field in asked:
        check_field(field, given.get(field["name"]))
    return given


def check_field(field: Mapping[str, Any], value: Any) -> None:
    """Refuse a value that is not what the field, as agno writes it in JSON, asks for."""
    name = f"user_input.{field['name']}"
    if value is None or value == "":
        if field["required"]:
            raise _refused(name, "waits for an answer")
        return
    if not _FITS[field["field_type"]](value):
        raise _refused(name, f"must be of the type {field['field_type']}")
    allowed = field.get("allowed_values")
    if allowed and value not in allowed:
        raise _refused(name, f"must be one of {', '.join(map(str, allowed))}")


def _refused(name: str, problem: str) -> Refused:
    detail = "The answer does not fit the step that waits."
    return Refused(422, detail, [{"at": f"body.step_requirements.{name}", "problem": problem}])
