"""The operator's stage, for tests of what isolates its workspaces."""

from __future__ import annotations

from tests.integration.operator.conftest import chart, gateway_api, http_routes, stage, token

__all__ = ["chart", "gateway_api", "http_routes", "stage", "token"]
