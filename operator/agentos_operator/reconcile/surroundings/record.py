"""Keeps what was found in the ConfigMap ``agentos-network`` beside the operator, over restarts and for people to read.

Without it, an operator that restarts while a name cannot be resolved would close what was open.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from agentos_operator.clients.kinds import CONFIG_MAP
from agentos_operator.desired.common import operators_config_map
from agentos_operator.desired.surroundings import Opening
from agentos_operator.errors import ApiError
from agentos_operator.naming import NETWORK_CONFIG_MAP
from agentos_operator.reconcile.context import Context

logger = logging.getLogger(__name__)


class _Entry(BaseModel):
    """One subject; ``of`` is what it was found from, so that another configuration takes nothing over."""

    model_config = ConfigDict(extra="forbid")

    of: str
    opening: Opening


async def read_record(context: Context, origins: Mapping[str, str]) -> None:
    """Take up what an earlier run found from the same ``origins``.

    Raises:
        ApiError: it cannot be read now.
    """
    memory = context.surroundings
    live = await context.kubernetes.find(CONFIG_MAP, NETWORK_CONFIG_MAP, _namespace(context))
    memory.recorded = (live or {}).get("data") or {}
    for subject, origin in origins.items():
        entry = _entry(memory.recorded.get(subject, ""))
        if entry is not None and entry.of == origin:
            memory.known[subject] = entry.opening
            memory.seen[subject] = dict.fromkeys(entry.opening.cidrs, context.monotonic())


async def write_record(context: Context, origins: Mapping[str, str]) -> None:
    """Have the ConfigMap say what is known; failing to holds up nothing."""
    memory = context.surroundings
    data = {
        subject: _Entry(of=origin, opening=memory.known[subject]).model_dump_json()
        for subject, origin in origins.items()
        if subject in memory.known
    }
    if data == memory.recorded:
        return
    try:
        await context.kubernetes.apply(operators_config_map(NETWORK_CONFIG_MAP, _namespace(context), data=data))
    except ApiError as error:
        logger.warning("what was found out about the network could not be recorded: %s", error)
    else:
        memory.recorded = data


def _namespace(context: Context) -> str:
    return context.settings.operator_service_account.namespace


def _entry(text: str) -> _Entry | None:
    try:
        return _Entry.model_validate_json(text)
    except ValidationError:
        return None
