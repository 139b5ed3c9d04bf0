"""The administrator's client with connections that are kept: waiting is asking again and again, and a TLS handshake of
both sides costs three times what an answer does.
"""

from __future__ import annotations

import http.client
from collections import deque
from pathlib import Path

from local.api import Api, endpoint


class KeptApi(Api):
    """Any thread takes an idle connection; one that the API server has closed meanwhile is opened anew."""

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(kubeconfig)
        self._place, self._context = endpoint(kubeconfig)
        self._idle: deque[http.client.HTTPSConnection] = deque()

    def request(self, method: str, path: str, body: bytes | None = None, media: str = "") -> tuple[int, bytes]:
        """Send one request; 0 as the status means that nobody answered."""
        while True:
            connection, is_new = self._connection()
            try:
                connection.request(method, path, body, {"Content-Type": media} if media else {})
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                if is_new:
                    return 0, b""
            else:
                self._idle.append(connection)
                return answer.status, text

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    def _connection(self) -> tuple[http.client.HTTPSConnection, bool]:
        try:
            return self._idle.pop(), False
        except IndexError:
            host, port = self._place.hostname or "", self._place.port
            return http.client.HTTPSConnection(host, port, context=self._context, timeout=10), True
