"""How large workspaces may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from agentos_operator.settings.section import Name, Section


class QuotaResources(Section):
    """CPU and memory as Kubernetes quantities."""

    cpu: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]{1,3})?m?$")]
    """Cores (4) or thousandths (500m)."""
    memory: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$")]
    """Bytes (8Gi)."""


class ContainerDefaults(Section):
    """What a container gets that says nothing about its resources."""

    requests: QuotaResources
    """What the scheduler reserves."""
    limits: QuotaResources
    """What it may use at most."""


class QuotaProfile(Section):
    """What a workspace may use that names this profile."""

    pods: Annotated[int, Field(ge=1)]
    """Number of pods."""
    requests: QuotaResources
    """Sum of the pods' requests."""
    limits: QuotaResources
    """Sum of the pods' limits."""
    container: ContainerDefaults
    """Defaults of one container."""


class QuotaSettings(Section):
    """How large workspaces may be."""

    profiles: Mapping[Name, QuotaProfile] = {}
    """By the name that Workspaces use; one that names none uses ``standard``."""
