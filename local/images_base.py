"""The base of our images where no image registry is used: Debian with Python, made by debootstrap.

Only `local.images_engine` calls this. Debian's next release works on an older host, and brings the Python
and the PostgreSQL that we want. The result is kept as one tar: a copied folder would lose every owner on
the way.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from local import images_host, paths
from local.images_recipes import digest, short_hash
from local.steps import run, step

SUITE = "trixie"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
_ADVICE = "Check that this machine reaches its Debian mirror (see /etc/apt/sources.list*), then run it again."
_UNUSED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
)
_OF_THE_HOST = ("hostname", "hosts", "resolv.conf")
"""debootstrap copies these from this machine; a container engine fills them in for each container."""
_KEPT = 3
_EXCLUDE = "".join(f"path-exclude=/usr/share/{name}/*\n" for name in ("doc", "man", "info", "locale", "lintian"))


def key() -> str:
    """A digest of how the base is made; Debian's own updates enter when the cache folder is deleted."""
    return short_hash({"recipe": digest(Path(__file__)), "suite": SUITE, "machine": platform.machine()})


def ensure() -> Path:
    """The base's file system as a tar in the cache, made when missing."""
    folder = paths.private_folder(paths.cache() / "images")
    archive = folder / f"base-{key()}.rootfs.tar"
    if not archive.exists():
        with step(f"made the base image's file system (Debian {SUITE})"):
            _make(folder, archive)
        for old in least_used(folder.glob("base-*.rootfs.tar")):
            old.unlink()
    os.utime(archive)
    return archive


def _make(folder: Path, archive: Path) -> None:
    # A name of its own: a debootstrap that outlived its killed parent may still be writing to the last one.
    rootfs = Path(tempfile.mkdtemp(prefix="base-", suffix=".partial", dir=folder))
    rootfs.chmod(0o755)
    mirror = images_host.host_mirror()
    words: list[str | Path] = [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        SUITE,
        rootfs,
    ]
    run([*words, mirror] if mirror else words, advice=_ADVICE)
    _slim(rootfs, keep_sources=mirror is None)
    partial = archive.with_suffix(".partial")
    run(["tar", "--numeric-owner", "--one-file-system", "-C", rootfs, "-cf", partial, "."], advice=_ADVICE)
    os.replace(partial, archive)
    remove_tree(rootfs)


def _slim(rootfs: Path, *, keep_sources: bool) -> None:
    """Empty what no program opens, for this and every later package; the host's mirror stays out."""
    for name in _UNUSED:
        folder = rootfs / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for name in _OF_THE_HOST:
        (rootfs / "etc" / name).write_text("")
    (rootfs / "etc/dpkg/dpkg.cfg.d/slim").write_text(_EXCLUDE)
    if not keep_sources:
        (rootfs / "etc/apt/sources.list").unlink(missing_ok=True)


def least_used(paths: Iterable[Path]) -> list[Path]:
    """All but the few that were used last: what is current here, and in another checkout or branch."""
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT:]


def remove_tree(path: Path) -> None:
    """Remove a half-made file system; what a kill left mounted in it (/proc) is unmounted first."""
    if not path.exists():
        return
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        mounted = line.split()[1]
        if mounted.startswith(f"{path}/"):
            subprocess.run(["umount", "--lazy", mounted], check=True)
    shutil.rmtree(path)
