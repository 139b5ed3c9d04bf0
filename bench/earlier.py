"""An earlier state of this repository as its users would have installed it: its chart, and its images.

The images are built by the code of that state, so that they are what it released; the cache keeps both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from local import paths
from local.images import ImageArchive
from local.paths import CHECKOUT
from local.steps import StepFailedError, step

PROGRAMS = ("agentos-operator", "agentos-runtime")


@dataclass(frozen=True)
class Earlier:
    """What an upgrade begins with."""

    commit: str
    chart: Path
    images: dict[str, ImageArchive]


def of(ref: str) -> Earlier:
    """The state at `ref`, by default the newest tag; StepFailedError when there is none, or its images do not build."""
    commit = _git("rev-parse", "--short", "--verify", f"{ref or _newest_tag()}^{{commit}}").decode().strip()
    folder = paths.private_folder(paths.cache() / "earlier") / commit
    if not folder.exists():
        _unpack(commit, folder)
    with step(f"images of {commit}", quiet_below=1.0):
        return Earlier(commit, folder / "charts" / "agentos", _images(folder))


def _newest_tag() -> str:
    tags = _git("tag", "--list", "v*", "--sort=-version:refname").decode().split()
    if not tags:
        raise StepFailedError("no release is tagged", 'Name a commit: make bench ARGS="upgrades --earlier COMMIT".')
    return tags[0]


def _unpack(commit: str, folder: Path) -> None:
    with tarfile.open(fileobj=BytesIO(_git("archive", commit))) as archive:
        archive.extractall(folder.with_suffix(".new"), filter="data")
    folder.with_suffix(".new").rename(folder)


def _images(folder: Path) -> dict[str, ImageArchive]:
    """Build with the code of that state, and read back what it says that it built."""
    command = [sys.executable, "-m", "local.images", "--archives", *PROGRAMS]
    # The `agentos_*` packages that this environment installs in place are of this checkout, not of that one.
    places = os.pathsep.join(str(folder / name) for name in ("operator", "runtime", "spec"))
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": places}, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise StepFailedError(f"the images of {folder.name} were not built", "The lines above say why.")
    return dict(map(_archive, PROGRAMS, done.stdout.splitlines()))


def _archive(name: str, line: str) -> tuple[str, ImageArchive]:
    ref, _, archive = line.partition(" ")
    return name, ImageArchive(name, ref, ref.rpartition("-")[2], Path(archive))


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, check=False)
    if done.returncode:
        why = done.stderr.decode().strip()
        raise StepFailedError(f"git {arguments[0]}: {why}", "Name a commit that this clone has: --earlier COMMIT.")
    return done.stdout
