"""What is looked at every half minute: the operator's process from outside, what it tells, and both servers."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench.process import kibibytes
from bench.scale.client import Client
from bench.soak.place import SoakPlace
from local.steps import StepFailedError

Sample = dict[str, Any]
EVERY = 30.0
REST_LOOKS = 20
"""Looks of one sample at rest, a second apart. What is lost is there at each of them, so the fewest files, connections,
threads and tasks count: a connection of the last work stays open for a quarter of a minute, as aiohttp keeps them."""
_ESTABLISHED = "01"
_SERVERS = {443: "api", 6443: "api", 5432: "postgresql"}
PROCESS = ("rss_mb", "files", "threads", "tasks", "connections_api", "connections_postgresql", "connections_other")
"""Fields that tell of the process."""
_MIDDLE = {"rss_mb"}
"""Of these, the median of a sample's looks: they are not counted, but weighed."""
_DATABASE = """
SELECT json_build_object(
  'roles', (SELECT coalesce(json_agg(rolname), '[]') FROM pg_roles WHERE rolname ~ '^ws_'),
  'schemas', (SELECT coalesce(json_agg(nspname), '[]') FROM pg_namespace WHERE nspname ~ '^ws_'),
  'databases', (SELECT coalesce(json_agg(datname), '[]') FROM pg_database WHERE datname ~ '^ws_'),
  'sessions', (SELECT coalesce(json_object_agg(who, number), '{}') FROM (
    SELECT CASE WHEN usename ~ '^ws_' THEN 'workspaces' ELSE usename::text END AS who, count(*) AS number
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1) AS each))
"""


class Sampler:
    """Takes samples and keeps them."""

    def __init__(self, client: Client, place: SoakPlace) -> None:
        self.samples: list[Sample] = []
        self._client = client
        self._place = place
        self._began = time.monotonic()

    async def keep(self) -> None:
        """Take one every half minute, until cancelled; one that cannot be had is left out."""
        while True:
            with suppress(StepFailedError, aiohttp.ClientError, TimeoutError, OSError):
                self.samples.append(await self._take(rest=False))
            await asyncio.sleep(EVERY)

    async def rest(self) -> Sample:
        """One of the state of rest."""
        sample = await self._take(rest=True)
        self.samples.append(sample)
        return sample

    async def idle(self, seconds: float) -> None:
        """Wait until nothing waits in the operator's queues, by what it tells, but not forever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    if await self._waiting() == 0:
                        return
                    await asyncio.sleep(1)

    async def _waiting(self) -> float | None:
        """How many keys wait; None when it does not tell."""
        try:
            pod, _ = await self._place.operator(self._client)
            return told(await self._place.metrics(self._client, pod)).get("waiting") if pod else None
        except (StepFailedError, aiohttp.ClientError):
            return None

    async def database(self) -> dict[str, Any]:
        """Roles, schemas and databases of workspaces by name, and sessions by who they are of."""
        found: dict[str, Any] = json.loads(await self._place.sql(_DATABASE))
        return found

    async def _take(self, *, rest: bool) -> Sample:
        looks = [await self._look()]
        while rest and len(looks) < REST_LOOKS:
            await asyncio.sleep(1)
            looks.append(await self._look())
        sample = {
            "seconds": round(time.monotonic() - self._began, 1),
            "rest": rest,
            "pid": looks[0]["pid"],
            **at_rest(looks),
        }
        database = await self.database()
        counts = {what: len(database[what]) for what in ("roles", "schemas", "databases")}
        return sample | counts | {"sessions": database["sessions"]}

    async def _look(self) -> Sample:
        """The process; of one that is just being replaced there is only the id 0."""
        pod, pid = await self._place.operator(self._client)
        if not pid:
            return {"pid": 0}
        found = await asyncio.to_thread(process, pid)
        return {"pid": pid, **found, "tasks": told(await self._place.metrics(self._client, pod))["tasks"]}


def at_rest(looks: Sequence[Sample]) -> Sample:
    """What a process holds, by what it was seen with in some looks; nothing if it was being replaced in one of them."""
    fields = [field for field in PROCESS if all(field in look for look in looks)]
    return {f: (median if f in _MIDDLE else min)(look[f] for look in looks) for f in fields}


def process(pid: int, proc: Path = Path("/proc")) -> dict[str, float]:
    """Memory, files, threads, and connections by what is at their other end."""
    folder = proc / str(pid)
    status = (folder / "status").read_text()
    links = []
    for file in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed since the folder was listed
            links.append(file.readlink().name)
    tables = [(folder / "net" / name).read_text() for name in ("tcp", "tcp6")]
    ends = Counter(_SERVERS.get(port, "other") for port in remote_ports(links, tables))
    return {
        "rss_mb": kibibytes(status, "VmRSS") * 1024 / 1e6,
        "files": len(links),
        "threads": float(re.findall(r"^Threads:\s+(\d+)", status, re.MULTILINE)[0]),
        **{f"connections_{end}": ends[end] for end in ("api", "postgresql", "other")},
    }


def remote_ports(links: Iterable[str], tables: Iterable[str]) -> list[int]:
    """The ports at the other end of a process's established TCP connections.

    `links` are its open files, `tables` those of its network (proc_net_tcp, https://docs.kernel.org/networking/proc_net_tcp.html).
    """
    own = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    return [int(row[2].rpartition(":")[2], 16) for row in rows if row[3] == _ESTABLISHED and row[9] in own]


def told(metrics: str) -> Mapping[str, float]:
    """Of an operator's metrics: its tasks, and the keys that wait in any queue."""
    found = {"waiting": 0.0}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "agentos_operator_queue_keys":
                found["waiting"] += sample.value
            elif sample.name == "agentos_operator_tasks":
                found["tasks"] = sample.value
    return found
