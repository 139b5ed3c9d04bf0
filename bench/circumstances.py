"""What stands beside every figure: the day, the machine, the versions. No names and no paths of the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.results import Circumstances
from local.paths import CHECKOUT


def now(versions: Mapping[str, str] | None = None) -> Circumstances:
    """The circumstances of this moment; `versions` are those that only the part knows."""
    return Circumstances(datetime.now(UTC).date().isoformat(), machine(), {**project(), **(versions or {})})


def project() -> dict[str, str]:
    """The project's version and commit; a plus says that the checkout held more than the commit."""
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return {"agentos-kubernetes": f"{declared['version']} {_commit()}".strip()}


def python(*names: str) -> dict[str, str]:
    """This interpreter's version and that of some packages."""
    return {"python": platform.python_version(), **packages(*names)}


def packages(*names: str) -> dict[str, str]:
    """Versions of packages; the lock files give the images the same."""
    return {name: version(name) for name in names}


def machine() -> str:
    """Cores, memory and kernel."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    kernel = platform.release().partition("-")[0]
    return f"{os.cpu_count()} x {_processor()}, {memory:.0f} GiB, {system}, Linux {kernel}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    commit = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results")
    return commit + ("+" if commit and changed else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
