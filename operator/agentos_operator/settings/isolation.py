"""How the isolation of workspaces is tried out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentos_operator.settings.section import Name, Port, Section


class VerificationTarget(Section):
    """An address inside the cluster that no tenant may reach."""

    name: Name
    """What stands there, for messages."""
    host: Name
    """Address, or name of a Service as ``<name>.<namespace>.svc``."""
    port: Port
    """TCP port."""


class Verification(Section):
    """How the isolation of workspaces is tried out."""

    enabled: bool = True
    """Whether it is at all."""
    interval_hours: Annotated[float, Field(gt=0, le=24 * 365)] = 6.0
    """Hours, give or take a tenth, between two runs of one workspace when nothing changes."""
    max_concurrent: Annotated[int, Field(ge=1, le=64)] = 2
    """Probes at the same time in the whole cluster."""
    delay_seconds: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """Seconds between a change and the run after it, which leaves a new workspace's pods the first turn."""
    targets: tuple[VerificationTarget, ...] = ()
    """What is tried besides what the operator finds by itself."""


class IsolationSettings(Section):
    """What isolates the workspaces."""

    verification: Verification = Verification()
    """How that is tried out."""
