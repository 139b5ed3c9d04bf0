"""Unpack an image archive into a folder, as container engines do; `local.images` needs it for the tests."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


def unpack(archive: Path, folder: Path) -> None:
    """Lay an archive's layers over each other; `folder` appears only when it is whole."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o755)
    with tarfile.open(archive) as outer:
        manifest = outer.extractfile("manifest.json")
        assert manifest is not None
        layers: list[str] = json.load(manifest)[0]["Layers"]
        for layer in layers:
            _remove(whiteouts(outer, layer), partial)
            _extract(archive, layer, partial)
    os.replace(partial, folder)


def whiteouts(outer: tarfile.TarFile, layer: str) -> list[str]:
    """The paths that a layer takes away from those below; a trailing slash means all that a folder holds."""
    inner = outer.extractfile(layer)
    assert inner is not None
    with tarfile.open(fileobj=inner) as entries:
        paths = [PurePosixPath(name) for name in entries.getnames() if PurePosixPath(name).name.startswith(_WHITEOUT)]
    return [
        f"{path.parent}/" if path.name == _OPAQUE else str(path.with_name(path.name.removeprefix(_WHITEOUT)))
        for path in paths
    ]


def _remove(names: list[str], root: Path) -> None:
    for name in names:
        path = root / name
        if name.endswith("/"):
            _empty(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _extract(archive: Path, layer: str, root: Path) -> None:
    """GNU tar does what Python's module refuses or does slowly: owners, device nodes, capabilities."""
    with subprocess.Popen(["tar", "-xOf", archive, layer], stdout=subprocess.PIPE) as outer:
        words = [
            "tar",
            "-x",
            "--numeric-owner",
            "--same-permissions",
            f"--exclude={_WHITEOUT}*",
            "-C",
            str(root),
        ]
        subprocess.run(words, stdin=outer.stdout, check=True)
