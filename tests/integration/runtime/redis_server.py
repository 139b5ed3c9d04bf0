"""A Redis of one's own on loopback, which a test may pause, kill or starve."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from local import debian
from tests.integration.apiserver import eventually

PASSWORD = "planted-redis-password"


@dataclass
class RedisProcess:
    """Debian's package, with a password, nothing on disk."""

    port: int
    folder: Path
    options: Sequence[str] = ()
    authority: Path | None = None
    """Who signed its certificate; None for a server without TLS."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_of("default", PASSWORD)

    def url_of(self, user: str, password: str) -> str:
        """As a Secret has it."""
        scheme, host = ("rediss", "localhost") if self.authority else ("redis", "127.0.0.1")
        return f"{scheme}://{user}:{password}@{host}:{self.port}/0"

    def client(self) -> redis.Redis:
        """The test's own."""
        options: dict[str, Any] = {"ssl_ca_certs": str(self.authority)} if self.authority else {}
        return redis.Redis.from_url(self.url, protocol=2, decode_responses=True, **options)

    def start(self) -> None:
        """Start it and wait until it answers."""
        port = ["--port", "0", "--tls-port"] if self.authority else ["--port"]
        fixed = ["--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", *port, str(self.port), *fixed, *self.options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        deadline = time.monotonic() + 30
        with self.client() as asking:
            while True:
                try:
                    asking.ping()
                except redis.RedisError:
                    assert time.monotonic() < deadline, (self.folder / "redis.log").read_text()
                    time.sleep(0.05)
                else:
                    return

    def pause(self) -> None:
        """It is there, accepts connections, and answers nothing."""
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        """Gone with all that it held."""
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def recover(self, *outputs: Callable[[], str]) -> None:
        """It answers again, whatever was done to it, and those whose logs these are have noticed."""
        self.go_on() if self.process else self.start()
        lost, found = "Redis cannot be used", "Redis can be used again"
        eventually(lambda: all(said().count(lost) == said().count(found) for said in outputs), found)

    def events(self, workspace: str = "acme") -> list[dict[str, Any]]:
        """What the workspace's stream holds, oldest first."""
        with self.client() as client:
            entries: Any = client.xrange(f"agentos:{workspace}:events")
        return [json.loads(fields["event"]) for _, fields in entries]

    def await_events(self, *types: str, run_id: str, seconds: float = 20) -> list[dict[str, Any]]:
        """The events of one run, once there are all of these types; fails with what there is instead."""
        deadline = time.monotonic() + seconds
        while True:
            found = [each for each in self.events() if each["data"].get("run_id") == run_id]
            if {f"agentos.{type_}" for type_ in types} <= {each["type"] for each in found}:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    @property
    def _pid(self) -> int:
        assert self.process
        return self.process.pid


@contextmanager
def running(folder: Path, port: int, *options: str, authority: Path | None = None) -> Iterator[RedisProcess]:
    """A server for the time of a test."""
    debian.ensure(debian.REDIS)
    server = RedisProcess(port, folder, options, authority)
    server.start()
    try:
        yield server
    finally:
        server.kill()
