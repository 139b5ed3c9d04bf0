"""Agents and teams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentos_spec.errors import did_you_mean
from agentos_spec.guardrails import GUARDRAILS
from agentos_spec.kinds import Kind, camel, read_parameters
from agentos_spec.model import AgentSpec, GuardrailSpec, HookSpec, TeamSpec
from agentos_spec.models import parse_model
from agentos_spec.node import Node
from agentos_spec.parameters import AGENT, TEAM
from agentos_spec.together import check_together
from agentos_spec.tools import parse_tools

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOOK_FIELDS = {"pre_hooks": "preHooks", "post_hooks": "postHooks", "tool_hooks": "toolHooks"}
_HOOK = r"[a-z][a-z0-9_]{0,62}\.[A-Za-z][A-Za-z0-9_]{0,62}"
LABEL_MEANS = "a lower-case name of letters, digits and '-'"


def parse_agent(node: Node) -> AgentSpec:
    """One entry of `spec.agents`."""
    have = node.fields(["id", "model"], _optional(AGENT))
    return AgentSpec(model=parse_model(have["model"]), **_common(node, have, AGENT))


def parse_team(node: Node) -> TeamSpec:
    """One entry of `spec.teams`; whether its members exist is not judged here."""
    have = node.fields(["id", "model", "members"], _optional(TEAM))
    members = have["members"].items(at_least=1, at_most=20)
    ids = tuple(member.name(LABEL, LABEL_MEANS) for member in members)
    for place, member in enumerate(members):
        if ids.index(ids[place]) != place:
            member.fail(f"{ids[place]!r} is a member already; leave it out")
    return TeamSpec(model=parse_model(have["model"]), members=ids, **_common(node, have, TEAM))


def _optional(kinds: Mapping[str, Kind]) -> list[str]:
    return ["name", "tools", "guardrails", *HOOK_FIELDS.values(), "knowledge", *map(camel, kinds)]


def _common(node: Node, have: Mapping[str, Node], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    parameters = read_parameters(have, kinds)
    check_together(have)
    return {
        "id": have["id"].name(LABEL, LABEL_MEANS),
        "name": have["name"].text() if "name" in have else None,
        "tools": parse_tools(have["tools"]) if "tools" in have else (),
        "guardrails": tuple(_guardrail(n) for n in have["guardrails"].items()) if "guardrails" in have else (),
        **{name: _hooks(have[field]) for name, field in HOOK_FIELDS.items() if field in have},
        "knowledge": have["knowledge"].name(LABEL, LABEL_MEANS) if "knowledge" in have else None,
        "parameters": parameters,
        "path": node.path,
    }


def _guardrail(node: Node) -> GuardrailSpec:
    have = node.fields(["guardrail"], ["options"])
    name = have["guardrail"].text()
    if name not in GUARDRAILS:
        hint = did_you_mean(name, GUARDRAILS) or f"; there are {', '.join(GUARDRAILS)}"
        have["guardrail"].fail(f"{name!r} is no guardrail of agno{hint}")
    return GuardrailSpec(name, have["options"].values() if "options" in have else {}, node.path)


def _hooks(node: Node) -> tuple[HookSpec, ...]:
    means = "a module and a function of your image's package agentos_hooks, e.g. 'checks.no_prices'"
    return tuple(HookSpec(item.name(_HOOK, means), item.path) for item in node.items(at_most=8))
