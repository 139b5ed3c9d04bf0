"""The API server as the cluster parts of the bench need it: applied, read, deleted and, above all, watched.

Watches tell each change when it happens. Polling would add its own interval to the figures and its load to the
cores, and the times in Kubernetes' own status fields are whole seconds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from local.api import endpoint
from local.steps import StepFailedError

Object = dict[str, Any]
ADVICE = "See the operator's log and `kubectl get events -A` of the bench's cluster."


class Kubernetes:
    """One API server, on connections that are kept."""

    def __init__(self, kubeconfig: Path) -> None:
        server, tls = endpoint(kubeconfig)
        self._http = httpx.AsyncClient(base_url=server.geturl(), verify=tls, timeout=30)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def apply(self, path: str, document: Object) -> None:
        """Server-side apply, which is what `kubectl apply --server-side` sends."""
        query = {"fieldManager": "bench", "force": "true"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        answer = await self._http.patch(path, params=query, headers=headers, content=json.dumps(document))
        _expect(answer, 200, 201)

    async def annotate(self, path: str, annotations: Mapping[str, str]) -> None:
        """Merge annotations into an object and leave everything else of it alone."""
        headers = {"Content-Type": "application/merge-patch+json"}
        body = json.dumps({"metadata": {"annotations": annotations}})
        _expect(await self._http.patch(path, headers=headers, content=body), 200)

    async def get(self, path: str) -> Object | None:
        """The object, or None."""
        answer = await self._http.get(path)
        _expect(answer, 200, 404)
        return dict(answer.json()) if answer.status_code == 200 else None

    async def list(self, path: str, query: Mapping[str, str]) -> list[Object]:
        """The items of a collection."""
        answer = await self._http.get(path, params=query)
        _expect(answer, 200)
        return list(answer.json()["items"])

    async def delete(self, path: str) -> None:
        """Ask for deletion; an object that is gone is fine."""
        _expect(await self._http.delete(path), 200, 202, 404)

    async def gone(self, path: str, seconds: float) -> None:
        """Wait until there is no such object."""
        deadline = asyncio.get_running_loop().time() + seconds
        while await self.get(path) is not None:
            if asyncio.get_running_loop().time() > deadline:
                raise StepFailedError(f"{path} was not gone after {seconds:.0f} s", ADVICE)
            await asyncio.sleep(0.25)

    async def watch(
        self, path: str, query: Mapping[str, str], see: Callable[[Object], None], opened: Callable[[], None]
    ) -> None:
        """Call `see` with every object as it is and becomes, until cancelled; `opened` when the server listens.

        Version 0 takes what the server has at hand; without it a server on an etcd before 3.4.25 waits in vain.
        """
        parameters = {"watch": "1", "resourceVersion": "0", **query}
        timeout = httpx.Timeout(30, read=None)
        async with self._http.stream("GET", path, params=parameters, timeout=timeout) as answer:
            _expect(answer, 200)
            opened()
            async for line in answer.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise StepFailedError(f"the watch of {path} ended: {event['object'].get('message')}", ADVICE)
                if event["type"] in ("ADDED", "MODIFIED"):
                    see(event["object"])


def _expect(answer: httpx.Response, *statuses: int) -> None:
    if answer.status_code not in statuses:
        text = answer.text[:500] if answer.is_closed else ""
        raise StepFailedError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {text}", ADVICE)
