"""The programs that turn a Dockerfile into an image archive; `local.images` picks one and drives it.

Docker and podman build on the public base image that the Dockerfiles name. buildah stands in where no
engine runs: it needs no daemon, and its base comes from Debian's own packages (`local.images_base`), so no
image registry either. Every engine writes the same format, the one of `docker save`: containerd, kind and
podman all load it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from local import debian, images_base, paths
from local.images_recipes import short_hash
from local.steps import run

NETWORK_ADVICE = "Check that this machine reaches its package index and Debian mirror, then run it again."
SPACE_ADVICE = "Check the free space of the cache folder, then run it again."
_LAYER_CACHE_LIMIT = 150


@dataclass(frozen=True)
class Build:
    """One image to be built from a staged context."""

    ref: str
    dockerfile: Path
    context: Path
    arguments: Mapping[str, str]
    secrets: Mapping[str, Path] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)
    """Files by their places in every step, for a Dockerfile that takes no secrets; none enters a layer. For buildah."""

    def words(self) -> list[str | Path]:
        """The options that all three programs share."""
        words: list[str | Path] = ["--tag", self.ref, "--file", self.dockerfile]
        for name, value in self.arguments.items():
            words += ["--build-arg", f"{name}={value}"]
        for name, path in self.secrets.items():
            words += ["--secret", f"id={name},src={path}"]
        return [*words, self.context]


class Engine(Protocol):
    """What `local.images` needs of a builder."""

    @property
    def name(self) -> str:
        """The program that builds."""

    def base(self) -> tuple[str, str] | None:
        """The base image's reference (made when missing) and key; None to keep each Dockerfile's default."""

    def base_key(self) -> str:
        """What stands for the base image in a key; it builds nothing."""

    def build(self, build: Build) -> None:
        """Build and tag one image."""

    def save(self, ref: str, archive: Path) -> None:
        """Write a tagged image to an archive."""

    def forget(self, ref: str) -> None:
        """Remove an image that no archive stands for any more; its being absent is fine."""

    def tidy(self) -> None:
        """Clear what a killed build left behind. Called under the lock: no other build is running."""


@dataclass(frozen=True)
class Daemon:
    """Docker or podman, whose command lines agree as far as this needs."""

    name: str

    def base(self) -> None:
        """The Dockerfiles' own default, pulled by the engine."""

    def base_key(self) -> str:
        return self.name

    def build(self, build: Build) -> None:
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        run([self.name, "build", *build.words()], advice=NETWORK_ADVICE, env=environment)

    def save(self, ref: str, archive: Path) -> None:
        form = ["--format", "docker-archive"] if self.name == "podman" else []
        run([self.name, "save", *form, "--output", archive, ref], advice=SPACE_ADVICE)

    def forget(self, ref: str) -> None:
        subprocess.run([self.name, "rmi", ref], capture_output=True, check=False)

    def tidy(self) -> None:
        """They clean up after themselves."""


@dataclass(frozen=True)
class Buildah:
    """buildah with a store of its own, so that cleaning it up never touches anybody else's images."""

    store: Path
    driver: str
    name: str = "buildah"

    def base(self) -> tuple[str, str]:
        key = images_base.key()
        ref = f"localhost/agentos-base:{key}"
        if self.has(ref):
            return ref, key
        rootfs = images_base.ensure()
        context = paths.private_folder(self.store / "base")
        os.replace(_hard_link(rootfs, context / "rootfs.new"), context / "rootfs.tar")
        dockerfile = context / "Dockerfile"
        dockerfile.write_text("FROM scratch\nADD rootfs.tar /\n")
        self.build(Build(ref, dockerfile, context, {}))
        shutil.rmtree(context)
        return ref, key

    def base_key(self) -> str:
        return images_base.key()

    def build(self, build: Build) -> None:
        words = ["bud", "--isolation", "chroot", "--network", "host", "--layers", "--pull-never"]
        for place, path in build.mounts.items():
            words += ["--volume", f"{path}:{place}:ro"]
        self._run(*words, *build.words(), advice=NETWORK_ADVICE)

    def has(self, ref: str) -> bool:
        """Whether the store has an image."""
        return bool(self._run("images", "--quiet", "--filter", f"reference={ref}").strip())

    def load(self, archive: Path) -> None:
        """Take an image from its archive, with the reference that it was saved under."""
        self._run("pull", "--quiet", f"docker-archive:{archive}")

    def config(self, ref: str) -> dict[str, Any]:
        """What an image says of how it is started, in OCI's words."""
        found: dict[str, Any] = json.loads(self._run("inspect", "--type", "image", ref))["OCIv1"]["config"]
        return found

    def container(self, ref: str) -> str:
        """A container of an image, for `mount_words`; `tidy` removes it."""
        return self._run("from", "--pull-never", ref).strip()

    def mount_words(self, container: str) -> list[str | Path]:
        """The command that mounts a container's files and prints where, in the mount namespace of its caller."""
        return [*self._words()[2:], "mount", container]

    def save(self, ref: str, archive: Path) -> None:
        self._run("push", "--quiet", ref, f"docker-archive:{archive}:{ref}")

    def forget(self, ref: str) -> None:
        subprocess.run([*self._words(), "rmi", ref], capture_output=True, check=False)

    def tidy(self) -> None:
        self._run("rm", "--all")
        for left in (self.store / "tmp").glob("buildah[0-9]*"):
            shutil.rmtree(left)
        if len(self._run("images", "--all", "--quiet").split()) > _LAYER_CACHE_LIMIT:
            self._run("rmi", "--all", "--force")

    def _words(self) -> list[str | Path]:
        # Below /run because it tells what is mounted, which a reboot must make it forget; one per store.
        runroot = Path("/run/agentos-local-images") / short_hash({"store": str(self.store)})
        return [
            # In a mount namespace of its own: whatever buildah mounts is gone when it ends, even by a kill.
            *("unshare", "--mount", "buildah"),
            "--root",
            self.store / "images",
            "--runroot",
            runroot,
            "--storage-driver",
            self.driver,
        ]

    def _run(self, *words: str | Path, advice: str = SPACE_ADVICE) -> str:
        # Its cache of downloads lives below TMPDIR: in our cache folder it outlives a reboot.
        temporary = paths.private_folder(self.store / "tmp")
        return run([*self._words(), *words], advice=advice, env={**os.environ, "TMPDIR": str(temporary)})


def choose(wanted: str | None = None) -> Engine:
    """The engine of that name, else the first that works here: docker, podman, buildah."""
    for name in ("docker", "podman"):
        if wanted == name or (wanted is None and _answers(name)):
            return Daemon(name)
    if not all(map(shutil.which, ("buildah", "debootstrap"))):
        debian.ensure(debian.IMAGES)
    store = paths.private_folder(paths.cache() / "buildah")
    return Buildah(store, _driver(store))


def _answers(name: str) -> bool:
    """Whether the program is there and so is what it talks to."""
    if not shutil.which(name):
        return False
    return subprocess.run([name, "info"], capture_output=True, check=False, timeout=30).returncode == 0


def _driver(store: Path) -> str:
    """overlay where kernel and file system can, else vfs (plain copies); decided once per machine."""
    decided = store / "driver"
    if decided.exists():
        return decided.read_text()
    driver = "overlay" if _overlay_works(store / "probe") else "vfs"
    decided.write_text(driver)
    return driver


def _overlay_works(folder: Path) -> bool:
    """Mount one overlay: a cache folder that is itself an overlay (a container's) refuses."""
    for name in ("lower", "upper", "work", "merged"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    options = ",".join(f"{name}dir={folder / name}" for name in ("lower", "upper", "work"))
    mount = ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, str(folder / "merged")]
    works = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    shutil.rmtree(folder)
    return works


def _hard_link(source: Path, target: Path) -> Path:
    """The same bytes under a second name; both lie in the cache folder."""
    target.unlink(missing_ok=True)
    os.link(source, target)
    return target
