"""When each milestone was first seen, in seconds since the apply began."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from bench.kubernetes import Kubernetes, Object
from bench.milestones import ORDER, milestones


class Timeline:
    """The marks of one round, filled by watches."""

    def __init__(self) -> None:
        self.marks: dict[str, float] = {}
        self.notes: dict[str, float] = {}
        """What else the round has seen of its process."""
        self._began = time.monotonic()
        self._seen: dict[str, asyncio.Event] = {}

    def begin(self) -> None:
        """Time zero."""
        self._began = time.monotonic()

    def mark(self, milestone: str) -> None:
        """Reached, now; only the first time counts."""
        self.put(milestone, self.elapsed())

    def put(self, milestone: str, seconds: float) -> None:
        """Reached so many seconds after the beginning."""
        self.marks.setdefault(milestone, round(seconds, 4))
        self._event(milestone).set()

    def note(self, name: str, value: float) -> None:
        """Keep something that is no point in time."""
        self.notes[name] = round(value, 3)

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def see(self, item: Object) -> None:
        """Mark all that an object shows."""
        for milestone in milestones(item):
            self.mark(milestone)

    async def reached(self, milestone: str, seconds: float) -> float:
        """Wait for a milestone and return when it was; TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            await self._event(milestone).wait()
        return self.marks[milestone]

    def _event(self, milestone: str) -> asyncio.Event:
        return self._seen.setdefault(milestone, asyncio.Event())


async def open_watches(
    group: asyncio.TaskGroup,
    kubernetes: Kubernetes,
    places: Iterable[tuple[str, Mapping[str, str]]],
    see: Callable[[Object], None],
) -> list[asyncio.Task[None]]:
    """Watch these collections; returns when the server has opened all of them."""
    tasks, opened = [], []
    for path, query in places:
        event = asyncio.Event()
        opened.append(event)
        tasks.append(group.create_task(kubernetes.watch(path, query, see, event.set)))
    async with asyncio.timeout(30):
        for event in opened:
            await event.wait()
    return tasks


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each milestone over the rounds that saw it, in the order of time."""
    names = [name for name in ORDER if any(name in one for one in rounds)]
    found = {name: round(median(one[name] for one in rounds if name in one), 3) for name in names}
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def table(ours: Mapping[str, float], plain: Mapping[str, float]) -> str:
    """Where the time goes, for people."""
    names = sorted({*ours, *plain}, key=lambda name: ours.get(name, plain.get(name, 0.0)))
    lines = [f"    {'seconds after the apply began':<32}{'ours':>8}{'plain':>8}"]
    for name in names:
        cells = (f"{one[name]:8.2f}" if name in one else " " * 8 for one in (ours, plain))
        lines.append(f"    {name:<32}{''.join(cells)}".rstrip())
    return "\n".join(lines)
