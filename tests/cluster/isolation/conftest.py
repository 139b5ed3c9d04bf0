"""The cluster and the two tenants of ``tests/cluster``."""

from __future__ import annotations

from tests.cluster.conftest import globex, tenancy

__all__ = ["globex", "tenancy"]
