"""The API server as a user with many workspaces and the bare client speak to it: as cheaply as Python can.

`bench.kubernetes` costs the machine three times as much per request, which at 1,000 workspaces is time that both sides
would lack.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from bench.kubernetes import ADVICE
from local.api import endpoint, has_condition
from local.steps import StepFailedError

Object = dict[str, Any]
See = Callable[[str, Object], None]
_TIMEOUT = aiohttp.ClientTimeout(total=60)
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class RefusedError(StepFailedError):
    """The API server said no, with this HTTP status."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why, ADVICE)
        self.status = status


class Client(AbstractAsyncContextManager["Client"]):
    """One API server, on connections that are kept; counts what it sends."""

    def __init__(self, kubeconfig: Path) -> None:
        self._server, self._tls = endpoint(kubeconfig)
        self.requests = 0

    async def __aenter__(self) -> Client:
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        self._http = aiohttp.ClientSession(self._server.geturl(), connector=connector, timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def apply(self, path: str, document: Object, manager: str = "bench") -> Object:
        """Server-side apply; the object as the API server stored it."""
        query = {"fieldManager": manager, "force": "true"}
        return await self._send("PATCH", path, query, document, "application/apply-patch+yaml")

    async def merge(self, path: str, change: Object) -> Object:
        """A merge patch, as `kubectl patch --type merge` sends it."""
        return await self._send("PATCH", path, {}, change, "application/merge-patch+json")

    async def delete(self, path: str) -> None:
        """Ask for deletion."""
        await self._send("DELETE", path, {})

    async def list(self, path: str, labels: str = "") -> list[Object]:
        """The metadata of a collection's objects."""
        query = {"labelSelector": labels} if labels else {}
        return list((await self._send("GET", path, query, accept=_METADATA))["items"] or ())

    async def get(self, path: str) -> Object:
        """What stands at `path`."""
        return await self._send("GET", path, {})

    async def text(self, path: str) -> str:
        """What is answered there as it is, such as a pod's metrics through the API server."""
        async with self._http.get(path) as answer:
            answer.raise_for_status()
            return await answer.text()

    async def watch(self, path: str, see: See, opened: Callable[[], None]) -> None:
        """Call `see` with the type and the object of every event until the API server ends that; `opened` when it
        listens. A busy one ends watches that it cannot serve in time."""
        query, timeout = {"watch": "1", "resourceVersion": "0"}, aiohttp.ClientTimeout(total=None)
        # 429: the API server has only just been told of the kind, and says so for a moment.
        while (answer := await self._http.get(path, params=query, timeout=timeout)).status == 429:
            answer.close()
            await asyncio.sleep(0.1)
        async with answer:
            answer.raise_for_status()
            opened()
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    see(event["type"], event["object"])

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        media: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        self.requests += 1
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": media, "Accept": accept}
        async with self._http.request(method, path, params=query, data=data, headers=headers) as answer:
            text = await answer.read()
        if answer.status >= 400:
            why = f"{method} {path}: {answer.status} {text[:500].decode(errors='replace')}"
            raise RefusedError(why, answer.status)
        result: Object = json.loads(text)
        return result


class Watch:
    """When each object of a collection last became as wished, by its namespace or name; and which have gone."""

    def __init__(self, client: Client, path: str, wished: Callable[[Object], bool]) -> None:
        self._client, self._path, self._wished = client, path, wished
        self._times: dict[str, float] = {}
        self._generations: dict[str, int] = {}
        self._gone: dict[str, float] = {}
        self._seen: set[str] = set()
        self._news = asyncio.Event()

    async def __aenter__(self) -> Watch:
        opened = asyncio.Event()
        self._task = asyncio.create_task(self._follow(opened))
        await opened.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _follow(self, opened: asyncio.Event) -> None:
        """Watch, again and again; what went between two watches is told by none."""
        while True:
            with suppress(aiohttp.ClientPayloadError):
                await self._client.watch(self._path, self._see, opened.set)
            there = {_name(item) for item in await self._client.list(self._path)}
            now = asyncio.get_running_loop().time()
            for name in self._seen - there:
                self._gone.setdefault(name, now)
                self._times.pop(name, None)
            self._news.set()

    def _see(self, event: str, item: Object) -> None:
        metadata, now, name = item["metadata"], asyncio.get_running_loop().time(), _name(item)
        self._seen.add(name)
        if event == "DELETED":
            self._times.pop(name, None)
            self._gone[name] = now
        elif not self._wished(item):
            self._times.pop(name, None)
        else:
            self._times.setdefault(name, now)
            self._generations[name] = metadata.get("generation", 0)
        self._news.set()

    async def all(self, names: set[str], seconds: float) -> float:
        """The moment at which the last of `names` became as wished, all of them being so."""
        await self._until(lambda: names - self._times.keys(), seconds, "not ready")
        return max(self._times[name] for name in names)

    async def at(self, name: str, generation: int, seconds: float) -> float:
        """The moment at which `name` was as wished in this generation."""

        def missing() -> set[str]:
            return set() if name in self._times and self._generations[name] >= generation else {name}

        await self._until(missing, seconds, "not ready")
        return self._times[name]

    async def gone(self, names: set[str], seconds: float) -> float:
        """The moment at which the last of `names` was gone."""
        await self._until(lambda: names - self._gone.keys(), seconds, "still there")
        return max(self._gone[name] for name in names)

    async def _until(self, missing: Callable[[], set[str]], seconds: float, what: str) -> None:
        try:
            async with asyncio.timeout(seconds):
                while missing():
                    self._news.clear()
                    waiting = asyncio.create_task(self._news.wait())
                    await asyncio.wait((waiting, self._task), return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
                    if self._task.done():
                        self._task.result()
        except TimeoutError as error:
            late = sorted(missing())
            why = f"{len(late)} were {what} after {seconds:.0f} s, such as {late[0]}"
            raise StepFailedError(why, ADVICE) from error


def _name(item: Object) -> str:
    return str(item["metadata"].get("namespace") or item["metadata"]["name"])


def is_ready(item: Object) -> bool:
    """Ready, as a resource of ours says it of its present generation."""
    generation: int = item["metadata"]["generation"]
    return has_condition(item, "Ready") and item["status"].get("observedGeneration") == generation


def is_available(deployment: Object) -> bool:
    """What `kubectl rollout status` waits for."""
    status = deployment.get("status", {})
    observed = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return bool(observed and status.get("availableReplicas", 0) == deployment["spec"]["replicas"])
