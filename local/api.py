"""A small client of the API server for readiness checks and image-free plumbing of `local`, the tests and the bench.

kubectl costs 0.1-0.3 s per call, too much for polling several times a second.
"""

import base64
import http.client
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import yaml


def endpoint(kubeconfig: Path) -> tuple[SplitResult, ssl.SSLContext]:
    """The API server's address, and the TLS that authenticates both sides."""
    document = yaml.safe_load(kubeconfig.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    tls = ssl.create_default_context(cadata=authority)
    # ssl loads client certificates from files only; this one lives for the length of a call, readable by us.
    with tempfile.NamedTemporaryFile() as file:
        for part in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(user[part]))
        file.flush()
        tls.load_cert_chain(file.name)
    return urlsplit(cluster["server"]), tls


class Api:
    """One API server as its kubeconfig names it."""

    def __init__(self, kubeconfig: Path) -> None:
        self._server, self._tls = endpoint(kubeconfig)

    def request(self, method: str, path: str, body: bytes | None = None, media: str = "") -> tuple[int, bytes]:
        """Send one request; 0 as the status means that nobody answered."""
        host, port = self._server.hostname or "", self._server.port
        connection = http.client.HTTPSConnection(host, port, context=self._tls, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": media} if media else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def get(self, path: str) -> dict[str, Any] | None:
        """The object or list at `path`, or None when it cannot be had."""
        status, body = self.request("GET", path)
        return json.loads(body) if status == 200 else None

    def items(self, path: str) -> list[dict[str, Any]]:
        """The items of a list, empty when it cannot be had."""
        answer = self.get(path)
        return answer.get("items") or [] if answer else []

    def is_ready(self) -> bool:
        """Whether the server says that it is ready, its bootstrap of RBAC included."""
        return self.request("GET", "/readyz")[0] == 200

    def apply(self, path: str, document: dict[str, Any]) -> int:
        """Server-side apply of one object to its path; returns the HTTP status."""
        query = f"{path}?fieldManager=agentos-local&force=true"
        return self.request("PATCH", query, json.dumps(document).encode(), "application/apply-patch+yaml")[0]


def has_condition(item: dict[str, Any], kind: str) -> bool:
    """Whether the condition `kind` of an object is True."""
    conditions = item.get("status", {}).get("conditions") or []
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)
