"""The cluster of the soak: one real node and pretended ones, the operator's process, and PostgreSQL beside it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import cluster, pod_process
from bench.scale.client import Client
from bench.soak import pretended
from local import demo, toolchain
from local.cluster import Cluster
from local.machine import Machine
from local.steps import StepFailedError

NAME = "agentos-soak"
PORT = 8094
"""Loopback port of its gateway: not that of the bench's other cluster, which may run at the same time."""
RUNTIME_CLASS = pretended.RUNTIME_CLASS
METRICS_PORT = 9464
ADVICE = "See the operator's log, and `python -m local status --name agentos-soak`."
_PODS = f"/api/v1/namespaces/{demo.NAMESPACE}/pods"
_OPERATOR = "app.kubernetes.io/name=agentos-operator"
_RETAINED = "SELECT coalesce(json_object_agg(name, workspace), '{}') FROM agentos_private.retained"
_HAS_RETAINED = "SELECT to_regclass('agentos_private.retained') IS NOT NULL"


@dataclass(frozen=True)
class SoakPlace:
    """Where it happens; the cluster is on this machine, so its processes are seen in /proc."""

    kubeconfig: Path
    kubectl: Path
    machine: Machine

    async def operator(self, client: Client) -> tuple[str, int]:
        """Its pod that is not on its way out, and its process as this machine sees it; no name and 0 for none."""
        for pod in await client.list(_PODS, _OPERATOR):
            metadata = pod["metadata"]
            pids = await asyncio.to_thread(pod_process.of_pod, metadata["uid"], "agentos_operator")
            if pids and "deletionTimestamp" not in metadata:
                return metadata["name"], min(pids)
        return "", 0

    async def kill_operator(self, client: Client, *, whole_pod: bool) -> None:
        """SIGKILL, or the deletion of its pod, for which another one comes."""
        pod, pid = await self.operator(client)
        if whole_pod and pod:
            await client.delete(f"{_PODS}/{pod}")
        elif pid:
            os.kill(pid, signal.SIGKILL)

    async def metrics(self, client: Client, pod: str) -> str:
        """What the operator tells Prometheus."""
        return await client.text(f"{_PODS}/{pod}:{METRICS_PORT}/proxy/metrics")

    async def retained(self) -> dict[str, str]:
        """Whose the retained data was, by the name of the schema or database."""
        if await self.sql(_HAS_RETAINED) != "t":
            return {}
        found: dict[str, str] = json.loads(await self.sql(_RETAINED))
        return found

    async def sql(self, query: str) -> str:
        """What PostgreSQL's superuser, inside its pod, gets for `query`."""
        where = ("-n", demo.NAMESPACE, "statefulset/agentos-postgres", "-c", "postgres", "--")
        psql = ("psql", "-U", "postgres", "-d", "agentos", "-At", "-v", "ON_ERROR_STOP=1", "-c", query)
        return await asyncio.to_thread(self._kubectl, "exec", *where, *psql)

    def _kubectl(self, *words: str) -> str:
        command: list[str | Path] = [self.kubectl, "--kubeconfig", self.kubeconfig, *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired as error:
            raise StepFailedError("PostgreSQL gave no answer within 60 s", ADVICE) from error
        if done.returncode:
            raise StepFailedError(f"kubectl {words[0]}: {done.stderr.strip()[-500:]}", ADVICE)
        return done.stdout.strip()


@contextmanager
def running(name: str) -> Iterator[SoakPlace]:
    """The cluster called `name`, with the chart of this checkout and pretended nodes; ours goes with the block."""
    with (
        tempfile.TemporaryDirectory(prefix="agentos-soak-") as folder,
        cluster.ready(name or NAME, port=PORT) as place,
    ):
        machine = Cluster(name or NAME).machine
        with pretended.running(machine, Path(folder)):
            yield SoakPlace(place.kubeconfig, toolchain.ensure(["kubectl"])["kubectl"], machine)
