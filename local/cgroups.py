"""The one cgroup per hierarchy under which a whole local cluster lives; `local.machine` creates and removes it.

Two kubelets under one cgroup root delete each other's pods, so every cluster gets its own and, through a cgroup
namespace, sees it as "/". Version 1 (one folder per controller), version 2 and both side by side are handled.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from local.steps import StepFailedError

PARENT = "agentos-local"
_GENERIC_OPTIONS = {"rw", "ro", "relatime", "noatime", "nosuid", "nodev", "noexec", "nsdelegate", "xattr"}
_V2_OPTIONS = {"memory_recursiveprot", "memory_hugetlb_accounting", "favordynmods"}


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup hierarchy."""

    mount: Path
    version: int
    options: str
    """What to pass to mount so that the same hierarchy appears in another mount namespace."""


def hierarchies(mounts: Path = Path("/proc/self/mounts")) -> list[Hierarchy]:
    """All cgroup hierarchies that this process sees, each once."""
    found: dict[tuple[int, str], Hierarchy] = {}
    for line in mounts.read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind in {"cgroup", "cgroup2"}:
            kept = [word for word in options.split(",") if word not in _GENERIC_OPTIONS | _V2_OPTIONS]
            version = 2 if kind == "cgroup2" else 1
            found.setdefault((version, ",".join(kept)), Hierarchy(Path(mount), version, ",".join(kept)))
    return list(found.values())


def create(name: str) -> list[Path]:
    """Create the cluster's cgroup in every hierarchy and return the folders."""
    folders = []
    for hierarchy in hierarchies():
        folder = hierarchy.mount / PARENT / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if hierarchy.version == 2:
                _delegate(hierarchy.mount)
                _delegate(hierarchy.mount / PARENT)
            elif (folder / "cpuset.cpus").exists():
                _inherit_cpuset(folder.parent)
                _inherit_cpuset(folder)
        except OSError as error:
            raise StepFailedError(
                f"cgroup {folder} could not be prepared: {error.strerror}",
                "The local cluster must be allowed to create cgroups; in a container, run it privileged.",
            ) from error
        folders.append(folder)
    return folders


def settle(name: str, pids: list[int]) -> None:
    """Version 2 only: move `pids` into a leaf, because a cgroup with processes cannot hand controllers down."""
    for hierarchy in hierarchies():
        if hierarchy.version == 2:
            root = hierarchy.mount / PARENT / name
            leaf = root / "init"
            leaf.mkdir(exist_ok=True)
            for pid in pids:
                (leaf / "cgroup.procs").write_text(str(pid))
            _delegate(root)


def remove(name: str, *, timeout: float = 15) -> None:
    """Remove the cluster's cgroups; its processes are gone or about to be."""
    deadline = time.monotonic() + timeout
    left = [hierarchy.mount / PARENT / name for hierarchy in hierarchies()]
    while left := [folder for folder in left if not _remove_tree(folder)]:
        if time.monotonic() > deadline:
            raise StepFailedError(
                f"cgroup {left[0]} still has processes",
                f"See which with `cat {left[0]}/cgroup.procs`, end them, and run this again.",
            )
        time.sleep(0.1)
    for hierarchy in hierarchies():
        with contextlib.suppress(OSError):  # another cluster is in it, or it never was
            (hierarchy.mount / PARENT).rmdir()


def exists(name: str) -> bool:
    """Whether any of the cluster's cgroups is there."""
    return any((hierarchy.mount / PARENT / name).exists() for hierarchy in hierarchies())


def _remove_tree(folder: Path) -> bool:
    for current, _, _ in os.walk(folder, topdown=False):
        try:
            Path(current).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _delegate(folder: Path) -> None:
    """Hand every available controller down to the folder's children (version 2)."""
    for controller in (folder / "cgroup.controllers").read_text().split():
        (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _inherit_cpuset(folder: Path) -> None:
    """A new cpuset (version 1) is empty, and takes no process until it has CPUs and memory nodes."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        if not (folder / file).read_text().strip():
            (folder / file).write_text((folder.parent / file).read_text())
