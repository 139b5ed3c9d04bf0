"""Publishes whose the retained data was, for administrators: the ConfigMap ``agentos-retained`` beside the operator.

PostgreSQL is the source; the ConfigMap is rewritten from it whenever that says something new. No tenant reads the
operator's Namespace. Failing to publish holds up nothing else.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence

from agentos_operator.clients.kinds import CONFIG_MAP
from agentos_operator.clients.postgres import PostgresServer, Retained
from agentos_operator.desired.common import operators_config_map
from agentos_operator.errors import ApiError
from agentos_operator.naming import RETAINED_CONFIG_MAP
from agentos_operator.reconcile.context import Context

logger = logging.getLogger(__name__)

MOST = 3000
"""Entries of one server that are listed, the newest: a ConfigMap holds 1 MiB, and an entry takes about 200 bytes."""


async def publish_retained(context: Context, name: str, server: PostgresServer) -> None:
    """Have the ConfigMap say what ``server``, called ``name``, retains, once after each look at that.

    A look comes every ten minutes, so a ConfigMap that somebody edited or deleted is put back by then.
    """
    if server.retained is None or context.published.get(name) is server.retained:
        return
    async with context.publishing:
        entries = server.retained
        try:
            await _publish(context, name, entries)
        except ApiError as error:
            logger.warning("the list of retained data could not be published: %s", error)
        else:
            context.published[name] = entries


async def _publish(context: Context, name: str, entries: Sequence[Retained]) -> None:
    namespace = context.settings.operator_service_account.namespace
    live = await context.kubernetes.find(CONFIG_MAP, RETAINED_CONFIG_MAP, namespace)
    # Servers that were not asked yet, or cannot be asked now, keep what was last known of them.
    before = (live or {}).get("data") or {}
    data = {key: text for key, text in before.items() if key in context.databases} | {name: _text(entries)}
    if live is None or data != before:
        await context.kubernetes.apply(operators_config_map(RETAINED_CONFIG_MAP, namespace, data=data))


def _text(entries: Sequence[Retained]) -> str:
    """One entry a line, so that a person can read it too."""
    lines = ",\n".join(json.dumps(dataclasses.asdict(entry)) for entry in entries[-MOST:])
    return f"[{lines}]"
