"""What the runtime's images can import, and how large they are: `python -m local.image_contents` builds and asks them.

Not a part of `make test`: the larger one takes minutes to build. docs/agents.md quotes what it prints.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import images, images_rootfs, paths
from local.images_recipes import IMAGEFILES
from local.steps import StepFailedError, run, say

IMAGES = ("agentos-runtime", "agentos-runtime-all")
_PYTHON = "/opt/agentos/bin/python"
_ADVICE = "Run it as root on the machine that builds images."


@dataclass(frozen=True)
class Contents:
    """One image."""

    megabytes: int
    """All layers unpacked, as a node stores them."""
    compressed: int
    """The same in MB as a registry would send it, by gzip."""
    importable: Mapping[str, int]
    total: Mapping[str, int]
    failures: Mapping[str, Mapping[str, str]]
    """By kind and name, why it cannot be imported."""


def contents(image: images.ImageArchive) -> Contents:
    """Unpack an image and ask its own Python."""
    with tempfile.TemporaryDirectory(prefix="contents-", dir=paths.cache()) as place:
        folder = Path(place) / "root"
        images_rootfs.unpack(image.archive, folder)
        words = ["chroot", "--userspec=65532:65532", str(folder), "/usr/bin/env", "-i", "HOME=/tmp", _PYTHON, "-"]
        said = run(words, stdin=(IMAGEFILES / "importable.py").read_text(), advice=_ADVICE)
    told = json.loads(said.splitlines()[-1])
    total = {kind: number for kind, (number, _) in told.items()}
    failed = {kind: found for kind, (_, found) in told.items()}
    importable = {kind: total[kind] - len(failed[kind]) for kind in total}
    return Contents(_megabytes(image.archive), _compressed(image.archive), importable, total, failed)


def _megabytes(archive: Path) -> int:
    with tarfile.open(archive) as outer:
        return round(sum(member.size for member in outer.getmembers()) / 1e6)


def _compressed(archive: Path) -> int:
    with subprocess.Popen(["gzip", "-c", archive], stdout=subprocess.PIPE) as zipped:
        assert zipped.stdout is not None
        size = 0
        while chunk := zipped.stdout.read(1 << 20):
            size += len(chunk)
    return round(size / 1e6)


def main() -> int:
    try:
        for name, image in images.ensure(IMAGES).items():
            found = contents(image)
            parts = [f"{found.importable[kind]} of {found.total[kind]} {kind}" for kind in found.total]
            print(f"{name}: {found.megabytes} MB, {found.compressed} MB compressed, {', '.join(parts)}")
            for kind, failed in found.failures.items():
                for each, why in failed.items():
                    print(f"  {kind[:-1]} {each}: {why}")
    except StepFailedError as error:
        say(f"{error.step or 'contents'}: {error.why}\n{error.advice}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
