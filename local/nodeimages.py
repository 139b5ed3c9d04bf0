"""Images in a node's containerd: which are there, and importing those that are not; `local.cluster` calls it.

The content outlives the cluster, in the cache: importing and unpacking is most of what a new cluster would wait for.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from local import node, paths
from local.images import ImageArchive
from local.machine import Machine
from local.steps import StepFailedError, step

_CTR = ("ctr", "--address", node.CONTAINERD_SOCKET, "--namespace", "k8s.io")


def folder(name: str) -> Path:
    """Where the containerd of the cluster `name` keeps everything."""
    return paths.private_folder(paths.cache() / "nodes" / name)


def snapshotter(name: str) -> str:
    """overlayfs where the cache's file system can carry it, else plain copies (a container without volumes)."""
    with tempfile.TemporaryDirectory(dir=folder(name)) as work:
        for part in ("lower", "upper", "work", "merged"):
            (Path(work) / part).mkdir()
        options = f"lowerdir={work}/lower,upperdir={work}/upper,workdir={work}/work"
        script = f"mount -t overlay overlay -o '{options}' '{work}/merged'"
        probe = ["unshare", "--mount", "sh", "-ec", script]  # its own mount namespace: gone with the probe
        works = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    return "overlayfs" if works else "native"


def start_containerd(machine: Machine) -> None:
    """Start containerd, after removing the containers of a predecessor that ended without warning."""
    if (folder(machine.name) / "used").exists():
        shutil.rmtree(folder(machine.name) / "io.containerd.grpc.v1.cri", ignore_errors=True)
        _launch(machine, "containerd-purge.toml")
        if left := machine.run([*_CTR, "containers", "list", "-q"]).split():
            machine.run([*_CTR, "containers", "rm", *left])
        machine.quit("containerd")
    (folder(machine.name) / "used").touch()
    _launch(machine, "containerd.toml")


def _launch(machine: Machine, config: str) -> None:
    machine.launch("containerd", ["containerd", "--config", f"/machine/conf/{config}"])
    machine.wait_for("containerd", lambda: machine.succeeds([*_CTR, "version"]))


def load(machine: Machine, found: Iterable[ImageArchive]) -> None:
    """Import the images that this node lacks: a reference names its content, so one that is there is current."""
    present = set(machine.run([*_CTR, "images", "list", "-q"]).split())
    for image in found:
        if image.ref not in present:
            with step(f"loaded {image.ref}"):
                load_archive(machine, image.archive)


def prune(machine: Machine, found: Iterable[ImageArchive]) -> None:
    """Forget the images of former clusters that a new one does not start with; they would pile up."""
    wanted = {image.ref for image in found}
    present = machine.run([*_CTR, "images", "list", "-q"]).split()
    if stale := [ref for ref in present if ref not in wanted]:
        machine.run([*_CTR, "images", "rm", *stale])


def load_archive(machine: Machine, archive: Path) -> None:
    """Import an archive of any origin."""
    if not archive.exists():
        raise StepFailedError(f"there is no image archive {archive}", "Build it first.")
    machine.feed(archive, [*_CTR, "images", "import", "--snapshotter", snapshotter(machine.name), "-"])
