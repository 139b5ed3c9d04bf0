"""The images of examples/own-image and examples/own-application, built from their Dockerfiles as they stand.

They are started as a pod starts them. The integration tests ask them over HTTP.

Always by buildah, which needs no registry of images: Debian's Python stands for the one of Docker Hub under its name,
with what that has beside it, a pip that installs where programs look first.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from local import images_base, images_engine, images_host, paths
from local.images import ImageArchive
from local.images_engine import Build, Buildah

EXAMPLES = paths.CHECKOUT / "examples"
USER = 65532
GIVEN = "/mnt"
"""Where a started image finds what its pod is given."""
_PYTHON = "FROM {base}\nRUN python3 -m venv /usr/local\n"


def engine() -> Buildah:
    """The builder of this machine that needs no daemon."""
    found = images_engine.choose("buildah")
    assert isinstance(found, Buildah)
    return found


def build_own_image(builder: Buildah, runtime: ImageArchive) -> str:
    """The reference of examples/own-image, on a runtime. Under `images.locked`."""
    if not builder.has(runtime.ref):
        builder.load(runtime.archive)
    return _built(builder, "own-image", {"RUNTIME": runtime.ref})


def build_own_application(builder: Buildah) -> str:
    """The reference of examples/own-application. Under `images.locked`."""
    folder = EXAMPLES / "own-application"
    (base,) = re.findall(r"(?m)^FROM (\S+)$", (folder / "Dockerfile").read_text())
    with tempfile.TemporaryDirectory() as place:
        dockerfile = Path(place) / "Dockerfile"
        dockerfile.write_text(_PYTHON.format(base=builder.base()[0]))
        builder.build(Build(base, dockerfile, Path(place), {}))
    return _built(builder, "own-application", {})


def _built(builder: Buildah, name: str, arguments: Mapping[str, str]) -> str:
    ref = f"localhost/example-{name}"
    with tempfile.TemporaryDirectory(dir=paths.cache()) as place:
        files = images_host.write_secrets(Path(place), images_base.SUITE)
        mounts = {"/etc/pip.conf": files["pip"]}
        if "ca" in files:
            mounts[images_host.CA_IN_BUILD] = files["ca"]
        folder = EXAMPLES / name
        builder.build(Build(ref, folder / "Dockerfile", folder, arguments, mounts=mounts))
    return ref


def start(
    builder: Buildah, ref: str, given: Path, arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """The image's own entry point, or its command where there are no `arguments`, as a pod of the operator has it."""
    config = builder.config(ref)
    words = [*config.get("Entrypoint", []), *(arguments or config.get("Cmd", []))]
    own = dict(each.partition("=")[::2] for each in config.get("Env", []))
    values = [f"{name}={value}" for name, value in {**own, "HOME": "/tmp", **environment}.items()]
    inside = ["/usr/bin/env", "-i", f"--chdir={config.get('WorkingDir') or '/'}", *values, *words]
    script = f"""
        set -e
        root=$({shlex.join(map(str, builder.mount_words(builder.container(ref))))})
        mount --bind "$root" "$root"
        mount --bind {shlex.quote(str(given))} "$root{GIVEN}"
        mount -t tmpfs -o mode=1777,size=256m tmpfs "$root/tmp"
        mount -o remount,bind,ro "$root"
        exec chroot --userspec={USER}:{USER} "$root" {shlex.join(inside)}
    """
    with log.open("wb") as output:
        return subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=output, stderr=output)
