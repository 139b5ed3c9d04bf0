"""Where `make up` brings the project up: the own local cluster, kind, or a cluster that exists already.

`python -m local` picks one; the three differ only in what stands here. After `up`, everything else (chart, example,
question to the agent) is the same on all of them: see local/demo.py.
"""

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local import cluster, paths
from local.images import ImageArchive
from local.steps import StepFailedError
from local.targets_existing import ExistingTarget
from local.targets_kind import KindTarget

NAMES = ("local", "kind", "existing")


class Target(Protocol):
    """A cluster to bring the project up on."""

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig to use; there once the target is up."""

    def build_images(self, names: Iterable[str]) -> Mapping[str, ImageArchive]:
        """Build images that are missing, beside whatever else `up` would build first."""

    def up(self, port: int, images: Iterable[ImageArchive]) -> None:
        """Bring the cluster up, its gateway on this loopback port; `images` will be wanted soon."""

    def load_images(self, images: Mapping[str, ImageArchive]) -> Mapping[str, ImageArchive]:
        """Put images where the nodes find them; returns them with the references that pods must name."""

    def gateway_url(self) -> str:
        """Where this host reaches the gateway."""

    def down(self) -> None:
        """Remove what `up` made; harmless when it made nothing."""


@dataclass
class LocalTarget:
    """The project's own cluster, without Docker."""

    name: str = "agentos"
    found: cluster.Cluster = field(init=False)

    def __post_init__(self) -> None:
        self.found = cluster.Cluster(self.name)

    @property
    def kubeconfig(self) -> Path:
        return self.found.kubeconfig

    def build_images(self, names: Iterable[str]) -> Mapping[str, ImageArchive]:
        _, found = cluster.prepare(names)
        return {name: found[name] for name in names}

    def up(self, port: int, images: Iterable[ImageArchive]) -> None:
        cluster.up(self.name, port=port, extra=images)

    def load_images(self, images: Mapping[str, ImageArchive]) -> Mapping[str, ImageArchive]:
        self.found.load(images.values())
        return images

    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.found.port}"

    def down(self) -> None:
        cluster.down(self.name)


def choose(wanted: str, name: str = "agentos") -> Target:
    """The target of that name; an empty one means kind where Docker works, else the own local cluster."""
    if wanted not in ("", *NAMES):
        raise StepFailedError(f"there is no kind of cluster {wanted!r}", f"CLUSTER is one of {', '.join(NAMES)}.")
    if wanted == "existing":
        return ExistingTarget(paths.state("existing"))
    if wanted == "kind" or (not wanted and not _runs_locally(name) and docker_works()):
        return KindTarget(name)
    return LocalTarget(name)


def _runs_locally(name: str) -> bool:
    """An own cluster that is up stays the choice, also when somebody starts Docker meanwhile."""
    return cluster.Cluster(name).machine.init() is not None


def docker_works() -> bool:
    """Whether there is a Docker client, and an engine that answers it."""
    try:
        command = ["docker", "info"]
        done = subprocess.run(command, capture_output=True, timeout=15, check=False, env={**os.environ})
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
