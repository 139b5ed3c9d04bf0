"""The operator's stage, for tests of what isolates its workspaces."""

from __future__ import annotations

from tests.integration.operator.conftest import chart, forked, gateway_api, http_routes, routed_api, stage, token

__all__ = ["chart", "forked", "gateway_api", "http_routes", "routed_api", "stage", "token"]
