"""Puts the instruments where things happen; called by the application as it is built and as it warms up."""

from __future__ import annotations

from collections.abc import Sequence

from agno.agent import Agent
from agno.db.base import AsyncBaseDb
from agno.models.base import Model
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.metrics.instruments import Metrics
from agentos_runtime.metrics.models import measure_model
from agentos_runtime.metrics.pool import watch_pool
from agentos_runtime.metrics.runs import count_runs
from agentos_runtime.settings import Settings
from agentos_runtime.spec import Spec


def measure_storage(
    metrics: Metrics, settings: Settings, spec: Spec, engine: AsyncEngine, database: AsyncBaseDb
) -> None:
    """From now on: the pool, and the runs that are stored."""
    watch_pool(engine, 2 * settings.database.pool_size, metrics.registry)
    count_runs(database, {agent.id for agent in spec.agents}, metrics)


def measure_models(metrics: Metrics, spec: Spec, agents: Sequence[Agent]) -> None:
    """From now on: what every agent's model is asked. The models must be the real ones by now."""
    for said, agent in zip(spec.agents, agents, strict=True):
        if isinstance(agent.model, Model):
            measure_model(agent.model, said.id, f"{said.model.provider}:{said.model.id}", metrics)
