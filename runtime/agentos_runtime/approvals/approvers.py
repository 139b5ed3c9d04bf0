"""Approvals by scope: whoever holds `approvals:write` sees and resolves those of the whole workspace.

agno, once it isolates users, leaves that to administrators, who may read everything else as well. So an approver's
requests go to agno's own routes a second time, mounted without its isolation; the same token has been checked
before, and what a route asks for in scopes is asked here. Everybody else gets agno's answer, which shows their own
approvals. Deleting stays with administrators: a record says who decided what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from agno.db.base import AsyncBaseDb
from agno.os.routers.approvals import get_approval_router
from agno.os.scopes import has_required_scopes
from agno.os.settings import AgnoAPISettings
from fastapi import FastAPI

from agentos_runtime.asgi import App, Receive, Scope, Send, state_of
from agentos_runtime.auth.tokens import Identity

_READ = re.compile(r"/approvals(/[^/]+(/status)?)?")
_RESOLVE = re.compile(r"/approvals/[^/]+/resolve")


class Approvers:
    """Sends approvers to routes of their own, everybody else on."""

    def __init__(self, app: App, database: AsyncBaseDb, required: Callable[[str, str], Sequence[str]]) -> None:
        self._app = app
        self._required = required
        self._routes = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        self._routes.include_router(
            get_approval_router(database, AgnoAPISettings(docs_enabled=False, os_security_key=None))
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._is_for_approver(scope):
            await self._app(scope, receive, send)
            return
        caller: Identity = state_of(scope)["identity"]
        # agno notes who resolved an approval from here.
        state_of(scope).update(user_id=caller.user, authenticated=True)
        await self._routes(scope, receive, send)

    def _is_for_approver(self, scope: Scope) -> bool:
        method, path = scope["method"], scope["path"]
        if not (method == "GET" and _READ.fullmatch(path)) and not (method == "POST" and _RESOLVE.fullmatch(path)):
            return False
        caller: Identity = state_of(scope)["identity"]
        needed = ["approvals:write", *self._required(method, path)]
        return has_required_scopes(list(caller.scopes), needed)
