"""The control plane of tests and bench serves clients of every kind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.apiserver import ApiServer


def test_a_watch_with_bookmarks_may_begin_at_version_0(api_server: ApiServer) -> None:
    """kwok's do, and where they were refused whole fleets waited for its next attempt."""
    query = "watch=1&resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=1"
    status, text = api_server.api.request("GET", f"/api/v1/namespaces?{query}")
    first = json.loads(text.splitlines()[0])
    assert (status, first["type"]) == (200, "ADDED"), first
