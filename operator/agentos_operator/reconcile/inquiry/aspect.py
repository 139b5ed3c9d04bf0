"""What an AgentDeployment's status says of its pods' answers: the newest finding, or what was said before.

Called at the end of every reconciliation; asks for an inquiry. No part of Ready: pods answer without a tool that is
away, and a server of a third party must not take them out of roll-outs, alarms and `kubectl wait`.
"""

from __future__ import annotations

from dataclasses import replace

from agentos_operator import reasons
from agentos_operator.clients.kinds import AGENT_DEPLOYMENT
from agentos_operator.conditions import Aspect, waiting
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.inquiry.judge import Finding
from agentos_operator.resources.agent_deployment import AgentDeployment
from agentos_operator.resources.common import Object
from agentos_operator.workqueue import Key

TOOLS_REACHABLE = "ToolsReachable"
_FIELDS = {"version": "runtimeVersion", "agno": "agnoVersion"}
_HOLDS = {"True": True, "False": False}


def tell_answers(
    context: Context, body: Object, deployment: AgentDeployment, ready: int
) -> tuple[list[Aspect], Object]:
    """The aspect, where there are MCP servers, and the fields of status; ``ready`` pods are there to be asked."""
    if not deployment.is_asked:
        return [], {}
    if not ready:
        return tools_wait(deployment, "Available"), {}
    key = Key(AGENT_DEPLOYMENT.kind, deployment.namespace, deployment.name)
    context.inquiry.request(key)
    finding = context.inquiry.findings.get(key)
    if finding is None or finding.uid != deployment.meta.uid:
        return _repeated(body, deployment), _kept(body)
    return _aspects(deployment, finding), _fields(finding)


def tools_wait(deployment: AgentDeployment, cause: str) -> list[Aspect]:
    """Nobody can be asked before ``cause`` holds."""
    return [replace(waiting(TOOLS_REACHABLE, cause), required=False)] if deployment.mcp_servers else []


def _aspects(deployment: AgentDeployment, finding: Finding) -> list[Aspect]:
    if not deployment.mcp_servers:
        return []
    if finding.servers != deployment.mcp_servers:
        return [_unknown()]
    return [Aspect(TOOLS_REACHABLE, finding.holds, finding.reason, finding.message, required=False)]


def _fields(finding: Finding) -> Object:
    return {name: value for field, name in _FIELDS.items() if (value := getattr(finding, field))}


def _kept(body: Object) -> Object:
    status = body.get("status", {})
    return {name: status[name] for name in _FIELDS.values() if name in status}


def _repeated(body: Object, deployment: AgentDeployment) -> list[Aspect]:
    """What an operator before this one has said of the same spec, so that a restart writes nothing."""
    if not deployment.mcp_servers:
        return []
    for told in body.get("status", {}).get("conditions", ()):
        if told["type"] == TOOLS_REACHABLE and told.get("observedGeneration") == deployment.meta.generation:
            holds = _HOLDS.get(told["status"])
            return [Aspect(TOOLS_REACHABLE, holds, told["reason"], told["message"], required=False)]
    return [_unknown()]


def _unknown() -> Aspect:
    return Aspect(TOOLS_REACHABLE, None, reasons.WAITING, "The pods are asked in a moment.", required=False)
