"""Asks the pods of one AgentDeployment; called by a queue of its own, so that pods that hang hold up nobody's status.

What it finds is told by the AgentDeployment's own reconciliation, which alone writes the status.
"""

from __future__ import annotations

import asyncio

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, POD
from agentos_operator.clients.runtime import read_state
from agentos_operator.naming import pod_selector
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.inquiry.judge import judge
from agentos_operator.reconcile.pods import addresses
from agentos_operator.resources.agent_deployment import AgentDeployment, parse_agent_deployment
from agentos_operator.resources.runtime_state import RuntimeState, parse_runtime_state
from agentos_operator.workqueue import UNSETTLED, Again, Key

WORKERS = 8
"""Deployments whose pods are asked at the same time."""
_MOST_PODS = 10
"""Of one deployment; the newest."""
_EVERY_SECONDS = 30.0
_GAP_SECONDS = 5.0
_PENDING_GAP_SECONDS = 1.0
_MOST_A_SECOND = 2.0
"""Deployments asked, in the whole cluster: with many of them each is asked less often, and the cost stays at half a
percent of a core (2.7 ms each, two requests to the API server among them)."""


async def inquire(context: Context, key: Key) -> Again | None:
    """Ask, remember, and have status written where that says something new."""
    memory = context.inquiry
    body = await context.kubernetes.find(AGENT_DEPLOYMENT, key.name, key.namespace)
    if body is None or not (deployment := parse_agent_deployment(body)).is_asked:
        memory.forget(key)
        return None
    if (early := memory.not_before.get(key, 0.0) - context.monotonic()) > 0:
        return Again(settled=True, within=early)
    answers = await _ask(context, deployment)
    if not answers:
        memory.repeated.discard(key)
        return None  # its reconciliation asks for an inquiry as soon as a pod answers
    finding = judge(deployment.meta.uid, deployment.mcp_servers, answers)
    if not finding.says_the_same(memory.findings.get(key)):
        memory.findings[key] = finding
        context.mark(key)
    memory.not_before[key] = context.monotonic() + (_PENDING_GAP_SECONDS if finding.pending else _GAP_SECONDS)
    if not deployment.mcp_servers:
        return None
    memory.repeated.add(key)
    return UNSETTLED if finding.pending else Again(settled=True, within=interval(len(memory.repeated)))


def interval(deployments: int) -> float:
    """Seconds between two inquiries of one of so many deployments."""
    return max(_EVERY_SECONDS, deployments / _MOST_A_SECOND)


async def _ask(context: Context, deployment: AgentDeployment) -> list[RuntimeState | None]:
    """One answer for each pod that is ready. Pods are listed anew each time: an address may be another's by now."""
    pods = await context.kubernetes.list(POD, deployment.namespace, pod_selector(deployment.name))
    asked = addresses(pods)[:_MOST_PODS]
    answers = await asyncio.gather(*(read_state(address) for address in asked))
    return [None if answer is None else parse_runtime_state(answer) for answer in answers]
