"""The operator's stage, for tests of what isolates its workspaces."""

from __future__ import annotations

from tests.integration.operator.conftest import stage

__all__ = ["stage"]
