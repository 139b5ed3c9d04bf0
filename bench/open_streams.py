"""The part `streams`: streams that one process holds open at the same time, and what each weighs; beside plain agno.

All are begun before the first one ends, each as a new session, and each must come to its end.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import circumstances, programs, schemas
from bench.agent import PATH
from bench.catalog import by_name
from bench.connection import HOST, question
from bench.load import WrongAnswer, load
from bench.process import Program
from bench.results import Entry, entry
from local import postgres
from local.steps import say

WARM_UP = 20
"""Runs that are not counted."""
OPENING = 16
"""Streams that begin at the same time."""
END_SECONDS = 300.0


@dataclass(frozen=True)
class Plan:
    """How many, and for how long the model speaks: longer than it takes to begin all of them."""

    streams: int = 300
    seconds: int = 90


def measure(plan: Plan) -> tuple[list[Entry], dict[str, Any]]:
    """Both entries, and the weights that they were made of."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="agentos-bench-") as folder, postgres.running() as server:
        model = programs.model(Path(folder))
        model.start()
        try:
            for name, make in (("ours", programs.ours), ("plain", programs.plain)):
                program = make(Path(folder), schemas.create(server), f"http://{HOST}:{model.port}/v1")
                found[name] = _held(program, plan)
                say(f"  {name}: {found[name]}")
        finally:
            model.stop()
    at = circumstances.now({**circumstances.python("agno", "uvicorn"), "postgresql": "17"})
    pairs = {"runtime-open-streams": "open", "runtime-stream-memory": "kib_per_stream"}
    entries = [entry(by_name(name), found["ours"][key], found["plain"][key], at) for name, key in pairs.items()]
    return entries, {"asked": plan.streams, "seconds": plan.seconds, **found}


def _held(program: Program, plan: Plan) -> dict[str, float]:
    program.start()
    try:
        asyncio.run(load(programs.target(program), in_flight=4, count=WARM_UP))
        return asyncio.run(_hold(program, plan))
    finally:
        program.stop()


async def _hold(program: Program, plan: Plan) -> dict[str, float]:
    form = {"message": f"wait {plan.seconds} one two three", "stream": "true", "user_id": programs.USER}
    request = question(PATH, form, token=programs.token() if program.name == "ours" else "")
    all_open, opening = asyncio.Barrier(plan.streams + 1), asyncio.Semaphore(OPENING)
    before = program.memory()["rss"]
    async with asyncio.timeout(END_SECONDS), asyncio.TaskGroup() as group:
        streams = [
            group.create_task(_listen(program.port, request, opening, all_open.wait)) for _ in range(plan.streams)
        ]
        await all_open.wait()
        ended = sum(task.done() for task in streams)
        weight = program.memory()["rss"] - before
    return {"open": plan.streams - ended, "kib_per_stream": round(weight * 1024 / plan.streams, 1)}


async def _listen(port: int, request: bytes, opening: asyncio.Semaphore, opened: Callable[[], Any]) -> None:
    """One stream: its first event, a wait until all others have theirs, and the rest of it."""
    async with opening:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(request)
        await reader.readuntil(b"event: RunStarted")
    try:
        await opened()
        rest = await _to_the_end(reader)
    finally:
        writer.close()
    if b"event: RunCompleted" not in rest:
        raise WrongAnswer(f"a stream ended with {rest[-300:]!r}")


async def _to_the_end(reader: asyncio.StreamReader) -> bytes:
    """The last part of the answer, whose end is the chunk of length zero (RFC 9112, 7.1)."""
    text = b""
    while not text.endswith(b"0\r\n\r\n"):
        part = await reader.read(65536)
        if not part:
            break
        text = (text + part)[-65536:]
    return text
