"""The root file system of a cluster's machine; its process 1 (local/machine_init.py) builds it in fresh namespaces.

It shows the host's programs and files where they are, but has its own /run, /sys, cgroups and the parts of /var that
a cluster writes. The host sees none of it, and it is gone with the last process of the machine.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from local import cgroups

MACHINE = Path("/machine")
"""The cluster's state folder as seen from inside: a short path, because sockets lie under it."""
_OWN = frozenset({"dev", "machine", "proc", "run", "sys", "var", "lost+found"})
_OWN_IN_VAR = frozenset({"lib", "log", "run"})
_OWN_IN_VAR_LIB = frozenset({"cilium", "cni", "containerd", "containers", "docker", "etcd", "kubelet"})
_KUBELET_TUNABLES = {
    # The kubelet insists on these host-wide settings. It is shown the values that it wants; the host keeps its own.
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def _call(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


def _bind(source: str | Path, target: Path, *, recursive: bool = False) -> None:
    target.mkdir(parents=True, exist_ok=True)
    _call("mount", "--rbind" if recursive else "--bind", source, target)


def _mirror(source: Path, target: Path, own: frozenset[str]) -> None:
    """Show the host's folders and links in `source`, except those of which the machine has its own."""
    target.mkdir(exist_ok=True)
    for entry in os.scandir(source):
        if entry.name in own:
            continue
        if entry.is_symlink():
            (target / entry.name).symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            _bind(entry.path, target / entry.name, recursive=True)


def _lay_out(root: Path, state: Path, cache: Path, name: str) -> None:
    """Fill the new root: the host's folders as they are, private ones where a cluster writes."""
    _mirror(Path("/"), root, _OWN)
    _mirror(Path("/var"), root / "var", _OWN_IN_VAR)
    _mirror(Path("/var/lib"), root / "var/lib", _OWN_IN_VAR_LIB)
    _bind(state, root / "machine")
    _bind(cache, root / "machine/cache")
    _bind(cache / "nodes" / name, root / "var/lib/containerd")
    for folder in ("lib/kubelet", "lib/cni", "log"):
        (state / "var" / folder).mkdir(parents=True, exist_ok=True)
        _bind(state / "var" / folder, root / "var" / folder)
    for folder in ("run", "proc", "sys"):
        (root / folder).mkdir()
    (root / "var/run").symlink_to("/run")
    _bind("/dev", root / "dev", recursive=True)
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "run")
    _call("mount", "-t", "proc", "proc", root / "proc")
    _call("mount", "-t", "sysfs", "sysfs", root / "sys")


def _mount_cgroups(base: Path, found: list[cgroups.Hierarchy]) -> None:
    """The host's hierarchies under the same names; the cgroup namespace makes the cluster's own cgroup their root."""
    if [hierarchy.mount for hierarchy in found] == [base]:
        _call("mount", "-t", "cgroup2", "cgroup2", base)
        return
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", base)
    for hierarchy in found:
        target = base / hierarchy.mount.name
        target.mkdir()
        kind = "cgroup2" if hierarchy.version == 2 else "cgroup"
        options = ["-o", hierarchy.options] if hierarchy.options else []
        _call("mount", "-t", kind, *options, kind, target)
        for controller in hierarchy.options.split(",") if "," in hierarchy.options else []:
            (base / controller).symlink_to(hierarchy.mount.name)


def build(state: Path, cache: Path, name: str) -> None:
    """Give the machine its own root, invisible to the host."""
    found = cgroups.hierarchies()
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    root = Path("/run/root")
    root.mkdir()
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root)
    _lay_out(root, state, cache, name)
    old = Path(tempfile.mkdtemp(dir=root)).name  # a new name: what the host has at its root is laid out here
    os.chdir(root)
    _call("pivot_root", ".", old)
    os.chdir("/")
    _call("umount", "-l", f"/{old}")
    Path("/", old).rmdir()
    _mount_cgroups(Path("/sys/fs/cgroup"), found)
    if Path("/sys/fs/bpf").exists():
        _call("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    for key, value in _KUBELET_TUNABLES.items():
        shown = Path("/run/tunables") / key
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
        _call("mount", "--bind", shown, Path("/proc/sys") / key)
    _call("mount", "--make-rshared", "/")
