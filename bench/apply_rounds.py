"""One round of `bench.first_answer`: apply, watch, ask, and remove everything again."""

from __future__ import annotations

import asyncio
import subprocess
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import jwt

from agentosctl import token
from bench import pod_process, workspace
from bench.agent import AGENT, MESSAGE, PATH
from bench.cluster import PLAIN_NAMESPACE, Place
from bench.connection import Connection, NoAnswer, question
from bench.kubernetes import ADVICE, Kubernetes, Object
from bench.timeline import Timeline, open_watches
from local import demo, toolchain
from local.steps import StepFailedError

ANSWER_SECONDS = 180.0
"""After so long without an answer a round has failed."""
GONE_SECONDS = 180.0
ASK_EVERY = 0.02
"""Seconds between questions to the gateway until it lets one through: the figure's resolution."""
LATE_SECONDS = 10.0
"""How long the breakdown waits for what the API shows only after the answer."""
_DROP = "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'].replace('+psycopg', ''), autocommit=True)"


@dataclass
class Rounds:
    """Runs rounds in one cluster."""

    kubernetes: Kubernetes
    place: Place
    database_url: str = field(repr=False)
    """The baseline's: it uses the operator's own login."""
    resources: Object = field(default_factory=dict)
    """Those of our pods, read from the last one: the baseline gets the same."""

    async def ours(self) -> Timeline:
        """From the apply of a workspace to its agent's first answer."""
        name, seen = workspace.fresh_name(), Timeline()
        signing: asyncio.Queue[Object] = asyncio.Queue()

        def see(item: Object) -> None:
            seen.see(item)
            if item["kind"] == "Secret" and item["metadata"]["name"] == token.SECRET_NAME:
                signing.put_nowait(item)

        async with self._watching(workspace.watched(name), see), _observed(f"AGENTOS_WORKSPACE={name}", seen):
            try:
                await self._apply(workspace.documents(name), seen)
                async with _in_time("answered", seen):
                    await self._ask(name, await signing.get(), seen)
                await seen.reached("agent ready", LATE_SECONDS)
                await self._read_resources(name)
            finally:
                await self._remove(name)
        return seen

    async def plain(self) -> Timeline:
        """From the apply of a plain pod to Ready."""
        name, seen = workspace.fresh_name(), Timeline()
        path, variable = workspace.plain_path(name), f"DATABASE_SCHEMA={workspace.schema_of(name)}"
        pod = workspace.plain_pod(name, self.place.runtime_image, self.database_url, self.resources)
        async with (
            self._watching(workspace.plain_watched(name), seen.see),
            _observed(variable, seen),
        ):
            try:
                await self._apply([(path, pod)], seen)
                async with _in_time("pod ready", seen):
                    await seen.reached("pod ready", ANSWER_SECONDS)
                await asyncio.to_thread(self._drop_schema, name)
            finally:
                await self.kubernetes.delete(path)
                await self.kubernetes.gone(path, GONE_SECONDS)
        return seen

    @asynccontextmanager
    async def _watching(
        self, places: Iterable[tuple[str, Mapping[str, str]]], see: Callable[[Object], None]
    ) -> AsyncIterator[None]:
        """All watches are open before anything is applied."""
        async with asyncio.TaskGroup() as group:
            tasks = await open_watches(group, self.kubernetes, places, see)
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _apply(self, documents: Iterable[tuple[str, Object]], seen: Timeline) -> None:
        """One after the other, as kubectl does; time begins with the first."""
        seen.begin()
        for path, document in documents:
            await self.kubernetes.apply(path, document)
        seen.mark("applied")

    async def _ask(self, name: str, secret: Object, seen: Timeline) -> None:
        """Ask through the gateway until there is an answer. 404 means that it knows no route, 503 no pod."""
        wish = token.Wish(name, "alice", ("agents:run",), timedelta(minutes=5))
        signing = token.parse(secret, name)
        signed = jwt.encode(token.claims(wish, signing, int(time.time())), signing.secret, algorithm="HS256")
        host = f"{AGENT}--{name}.{demo.BASE_DOMAIN}"
        request = question(PATH, {"message": MESSAGE, "stream": "false"}, host=host, token=signed)
        connection = Connection(self.place.port)
        try:
            while "answered" not in seen.marks:
                began = seen.elapsed()
                _judge(await _status(connection, request), began, seen)
                await asyncio.sleep(ASK_EVERY)
        finally:
            connection.close()

    async def _read_resources(self, name: str) -> None:
        path = f"/apis/apps/v1/namespaces/{workspace.namespace_of(name)}/deployments/{AGENT}"
        deployment = await self.kubernetes.get(path)
        if deployment:
            self.resources = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]

    async def _remove(self, name: str) -> None:
        """The Workspace and, because it was adopted, its Namespace."""
        await self.kubernetes.delete(workspace.workspace_path(name))
        await self.kubernetes.gone(workspace.workspace_path(name), GONE_SECONDS)
        namespace = workspace.namespace_path(workspace.namespace_of(name))
        await self.kubernetes.delete(namespace)
        await self.kubernetes.gone(namespace, GONE_SECONDS)

    def _drop_schema(self, name: str) -> None:
        """By the pod itself, which has the driver and the way to the server."""
        script = f"{_DROP}.execute('DROP SCHEMA {workspace.schema_of(name)} CASCADE')"
        kubectl = [str(toolchain.ensure(["kubectl"])["kubectl"]), "--kubeconfig", str(self.place.kubeconfig)]
        command = [*kubectl, "-n", PLAIN_NAMESPACE, "exec", name, "--", "python", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise StepFailedError(f"the baseline's schema was not dropped: {done.stderr[-300:]}", ADVICE)


async def prepare(kubernetes: Kubernetes, place: Place) -> Rounds:
    """Rounds with the database of this cluster."""
    path = f"/api/v1/namespaces/{demo.NAMESPACE}/secrets/{workspace.DATABASE_SECRET}"
    secret = await kubernetes.get(path)
    if secret is None:
        raise StepFailedError(f"{path} is not there", ADVICE)
    user, password = (b64decode(secret["data"][key]).decode() for key in ("username", "password"))
    url = f"postgresql+psycopg://{user}:{password}@{workspace.DATABASE_HOST}:5432/agentos"
    return Rounds(kubernetes, place, url)


def _judge(status: int, began: float, seen: Timeline) -> None:
    if status not in (0, 404):
        seen.mark("gateway knows the route")
    if status == 200:
        seen.put("request let through", began)
        seen.mark("answered")
    elif status in (400, 401, 403, 422):
        raise StepFailedError(f"the runtime answered {status}", ADVICE)


async def _status(connection: Connection, request: bytes) -> int:
    try:
        return (await connection.ask(request))[0]
    except NoAnswer:
        return 0


@asynccontextmanager
async def _observed(variable: str, seen: Timeline) -> AsyncIterator[None]:
    """Look at the pod's process meanwhile."""
    task = asyncio.create_task(
        pod_process.observe(pod_process.present(), variable, workspace.PORT, seen.mark, seen.note)
    )
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def _in_time(milestone: str, seen: Timeline) -> AsyncIterator[None]:
    """A round that does not arrive says how far it came."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
    except TimeoutError as error:
        why = f"a round was not {milestone} after {ANSWER_SECONDS:.0f} s; it had reached: {seen.marks}"
        raise StepFailedError(why, ADVICE) from error
