"""The container images of the local cluster: `make up`, the tests and `python -m local.images` call `ensure`.

An image is named by what it is made of, so one that is in the cache is never built again, and a changed one
has a new tag, which makes its pods roll. What the cache holds (all of it may be deleted at any time):
    images/NAME-KEY.tar    the archive that containerd, kind, docker and podman load
    postgres/KEY/          the PostgreSQL image's file system, which tests start a server from by chroot
    buildah/               layers, so that a change of sources does not install the dependencies again
"""

import argparse
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local import images_base, images_engine, images_host, images_recipes, images_rootfs, paths
from local.images_engine import Build, Engine
from local.images_recipes import Recipe
from local.steps import StepFailedError, go_on, say, step

_ATTEMPTS = 5


@dataclass(frozen=True)
class ImageArchive:
    """An image that is ready to be loaded."""

    name: str
    ref: str
    """What a pod names: localhost/NAME:VERSION-KEY."""
    key: str
    archive: Path


def ensure(names: Iterable[str] | None = None, engine: str | None = None) -> dict[str, ImageArchive]:
    """Return every named image (all when None); those in no cache are built, with progress on stderr."""
    wanted = list(images_recipes.NAMES if names is None else names)
    builder = images_engine.choose(engine)
    found = {name: _described(images_recipes.recipe(name), builder) for name in wanted}
    if any(not image.archive.exists() for image in found.values()):
        with locked():
            _clear(builder)
            for name in wanted:
                if not found[name].archive.exists():
                    go_on(f"image {name} was not built")
                    found[name] = _built(name, builder)
    for image in found.values():
        os.utime(image.archive)
    return found


def postgres_rootfs() -> Path:
    """The PostgreSQL image's file system as a folder: `chroot` runs its programs. Nobody writes to it."""
    image = ensure(["agentos-postgres"])["agentos-postgres"]
    folder = paths.private_folder(paths.cache() / "postgres") / image.key
    if not folder.exists():
        with locked(), step("unpacked PostgreSQL for the tests"):
            if not folder.exists():
                images_rootfs.unpack(image.archive, folder)
            for old in images_base.least_used(folder.parent.iterdir()):
                images_base.remove_tree(old)
    os.utime(folder)
    return folder


def _described(recipe: Recipe, builder: Engine) -> ImageArchive:
    key = recipe.key(builder.base_key())
    ref = f"localhost/{recipe.name}:{recipe.version}-{key}"
    return ImageArchive(recipe.name, ref, key, _folder() / f"{recipe.name}-{key}.tar")


def _folder() -> Path:
    return paths.private_folder(paths.cache() / "images")


@contextmanager
def locked() -> Iterator[None]:
    """One builder at a time: `make up` and `make test` may both find an image missing."""
    with (_folder() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("  waiting for another build of images to end ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _clear(builder: Engine) -> None:
    """Remove what a killed build left; the lock says that no other one is running."""
    for partial in _folder().glob("*.partial"):
        images_base.remove_tree(partial) if partial.is_dir() else partial.unlink()
    builder.tidy()


def _built(name: str, builder: Engine) -> ImageArchive:
    """Build one image from what its sources are now: they may have changed while earlier images were built."""
    folder = tempfile.TemporaryDirectory(prefix="context-", suffix=".partial", dir=_folder())
    with step(f"built image {name} ({builder.name})"), folder as place:
        recipe, image = _staged(name, builder, Path(place))
        if not image.archive.exists():
            _build(recipe, image, builder, Path(place))
    for archive in images_base.least_used(_folder().glob(f"{name}-{'[0-9a-f]' * images_recipes.KEY_LENGTH}.tar")):
        key = archive.stem.rpartition("-")[2]
        archive.unlink()
        builder.forget(image.ref.replace(image.key, key))
    return image


def _staged(name: str, builder: Engine, folder: Path) -> tuple[Recipe, ImageArchive]:
    """Copy the sources to folder/context; an editor that saves meanwhile must not make a tag that lies."""
    for _ in range(_ATTEMPTS):
        recipe = images_recipes.recipe(name)
        image = _described(recipe, builder)
        shutil.rmtree(folder / "context", ignore_errors=True)
        images_recipes.stage(recipe, folder / "context")
        if recipe.key(builder.base_key()) == image.key:
            return recipe, image
    raise StepFailedError("its sources keep changing while they are read", "Let them rest, then run it again.")


def _build(recipe: Recipe, image: ImageArchive, builder: Engine, folder: Path) -> None:
    arguments = {"VERSION": recipe.version} if recipe.name.startswith("agentos-") else {}
    arguments |= recipe.arguments
    if recipe.has_base and (base := builder.base()):
        arguments["BASE_IMAGE"] = base[0]
    secrets = images_host.write_secrets(paths.private_folder(folder / "secrets"), images_base.SUITE)
    context = folder / "context"
    builder.build(Build(image.ref, context / images_recipes.DOCKERFILE, context, arguments, secrets))
    partial = image.archive.with_suffix(".partial")
    builder.save(image.ref, partial)
    os.replace(partial, image.archive)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m local.images",
        description="Build images that are missing; print each one's reference.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="images by name; all of them when none is given")
    parser.add_argument("--engine", choices=("docker", "podman", "buildah"), help="the first that works by default")
    parser.add_argument("--archives", action="store_true", help="print each archive's path too")
    options = parser.parse_args(argv)
    try:
        found = ensure(options.names or None, options.engine)
    except StepFailedError as error:
        say(f"{error.step or 'images'}: {error.why}\n{error.advice}")
        return 1
    for image in found.values():
        print(f"{image.ref} {image.archive}" if options.archives else image.ref)
    return 0


if __name__ == "__main__":
    sys.exit(main())
