"""What an image's layers hold together: tests run PostgreSQL from it."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

from local import images_rootfs

Entries = dict[str, bytes | None]
"""Path -> content; None is a folder."""


def _add(archive: tarfile.TarFile, name: str, content: bytes | None) -> None:
    info = tarfile.TarInfo(name)
    # Owned by whoever runs the tests, who may not be root.
    info.uid, info.gid = os.getuid(), os.getgid()
    if content is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
    else:
        info.size, info.mode = len(content), 0o755
        archive.addfile(info, io.BytesIO(content))


def _tar(entries: Entries) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in entries.items():
            _add(archive, name, content)
    return buffer.getvalue()


def _unpacked(tmp_path: Path, *layers: Entries) -> dict[str, str]:
    names = [f"{number}.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Layers": names}]).encode()
    members: Entries = dict(zip(names, map(_tar, layers), strict=True))
    (tmp_path / "image.tar").write_bytes(_tar({**members, "manifest.json": manifest}))
    images_rootfs.unpack(tmp_path / "image.tar", tmp_path / "root")
    root = tmp_path / "root"
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_later_layer_replaces_a_file_of_an_earlier_one(tmp_path: Path) -> None:
    assert _unpacked(tmp_path, {"a": b"1", "b": b"1"}, {"a": b"2"}) == {"a": "2", "b": "1"}


def test_a_file_that_a_later_layer_deletes_is_gone(tmp_path: Path) -> None:
    assert _unpacked(tmp_path, {"d": None, "d/a": b"1", "d/b": b"1"}, {"d/.wh.a": b""}) == {"d/b": "1"}


def test_a_folder_that_a_later_layer_deletes_is_gone(tmp_path: Path) -> None:
    assert _unpacked(tmp_path, {"d": None, "d/a": b"1", "e": b"1"}, {".wh.d": b""}) == {"e": "1"}


def test_a_folder_made_anew_holds_nothing_of_the_old_one(tmp_path: Path) -> None:
    layers: tuple[Entries, Entries] = ({"d": None, "d/a": b"1"}, {"d": None, "d/.wh..wh..opq": b"", "d/b": b"2"})
    assert _unpacked(tmp_path, *layers) == {"d/b": "2"}


def test_programs_stay_executable(tmp_path: Path) -> None:
    _unpacked(tmp_path, {"bin": None, "bin/sh": b"x"})
    assert (tmp_path / "root/bin/sh").stat().st_mode & 0o777 == 0o755


def test_a_killed_attempt_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "root.partial").mkdir()
    (tmp_path / "root.partial" / "half").write_text("")
    assert _unpacked(tmp_path, {"a": b"1"}) == {"a": "1"}
