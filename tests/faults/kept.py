"""The administrator's client with connections that are kept: hundreds of workspaces are asked about again and again."""

from __future__ import annotations

import http.client
import threading
from pathlib import Path

from local.api import Api, endpoint


class KeptApi(Api):
    """One connection for each thread; one that the API server has closed meanwhile is opened anew."""

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(kubeconfig)
        self._place, self._context = endpoint(kubeconfig)
        self._local = threading.local()

    def request(self, method: str, path: str, body: bytes | None = None, media: str = "") -> tuple[int, bytes]:
        """Send one request; 0 as the status means that nobody answered."""
        kept: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if kept is not None:
            try:
                return _asked(kept, method, path, body, media)
            except (OSError, http.client.HTTPException):
                kept.close()
        host, port = self._place.hostname or "", self._place.port
        self._local.connection = http.client.HTTPSConnection(host, port, context=self._context, timeout=10)
        try:
            return _asked(self._local.connection, method, path, body, media)
        except (OSError, http.client.HTTPException):
            self._local.connection.close()
            return 0, b""


def _asked(
    connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None, media: str
) -> tuple[int, bytes]:
    connection.request(method, path, body, {"Content-Type": media} if media else {})
    answer = connection.getresponse()
    return answer.status, answer.read()
