"""What a person sees while the cluster comes up: one line per step, and for a failed one which, why and what to do.

Steps run in several threads at once, hence whole lines under a lock and no cursor tricks: the same text serves
a terminal and a CI log.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_lock = threading.Lock()
_failed = threading.Event()
"""Set when a strand has failed: those beside it stop waiting and begin nothing new, so that it is told soon."""


class StepFailedError(Exception):
    """A step that did not work: `why` quotes the cause, `advice` is one sentence on what to do now."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice
        self.step = ""


def say(text: str) -> None:
    """Print one line at once, whole."""
    with _lock:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


@contextmanager
def step(title: str, *, quiet_below: float = 0.0) -> Iterator[None]:
    """Time a step and report it; a failure leaves with the step's title attached.

    `quiet_below` hides steps that had nothing to do, so that a warm `up` prints only what it did.
    """
    began = time.monotonic()
    try:
        yield
    except StepFailedError as error:
        error.step = error.step or title
        raise
    elapsed = time.monotonic() - began
    if elapsed >= quiet_below:
        say(f"  {title:<58} {elapsed:6.1f} s")


@contextmanager
def strands() -> Iterator[ThreadPoolExecutor]:
    """Threads for steps that run side by side; when one fails, the others end as soon as they can."""
    try:
        with ThreadPoolExecutor() as pool:
            try:
                yield pool
            except BaseException:
                _failed.set()
                say("  failed; what has begun beside it comes to its end first ...")
                raise
    finally:
        _failed.clear()


def gather(pending: Sequence[Future[Any]]) -> None:
    """Wait for all; the first failure is raised as soon as there is one."""
    waiting = list(pending)
    while waiting:
        for future in [future for future in waiting if future.done()]:
            future.result()
            waiting.remove(future)
        time.sleep(0.05)


def go_on(otherwise: str) -> None:
    """Called before something long begins: a StepFailedError with this text where a strand beside it has failed."""
    if _failed.is_set():
        raise StepFailedError(otherwise, "See the step that failed.")


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, indented, for a failure's `why`."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return f"    (no log at {path})"
    return "\n".join(f"    {line[:300]}" for line in text.splitlines()[-lines:])


def run(
    command: Sequence[str | Path],
    *,
    advice: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
) -> str:
    """Run a command to its end and return its standard output; its last lines become the reason when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(  # noqa: PLW1510 -- the code is looked at below, with a better message
            words, cwd=cwd, env=env, input=stdin, text=True, capture_output=True, timeout=timeout
        )
    except FileNotFoundError as error:
        raise StepFailedError(f"`{words[0]}` was not found", advice) from error
    except subprocess.TimeoutExpired as error:
        raise StepFailedError(f"`{' '.join(words)[:200]}` took over {timeout:.0f} s", advice) from error
    if done.returncode:
        output = (done.stderr.strip() or done.stdout.strip()).splitlines()[-12:]
        quoted = "\n".join(f"    {line[:300]}" for line in output)
        raise StepFailedError(f"`{' '.join(words)[:200]}` ended with {done.returncode}:\n{quoted}", advice)
    return done.stdout


def wait_until(
    ready: Callable[[], bool],
    *,
    what: str,
    timeout: float,
    advice: str,
    log: Path | None = None,
    every: float = 0.1,
) -> None:
    """Poll until `ready`; on time-out quote the end of `log`."""
    deadline = time.monotonic() + timeout
    while not ready():
        go_on(f"{what} was not waited for")
        if time.monotonic() > deadline:
            quoted = f":\n{tail(log)}" if log else ""
            raise StepFailedError(f"{what} was not ready after {timeout:.0f} s{quoted}", advice)
        time.sleep(every)
