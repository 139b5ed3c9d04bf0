"""Debian packages that the local cluster takes from the distribution; every entry point of `local` asks for its own."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local import paths
from local.steps import StepFailedError, run, say, step

CONTROL_PLANE = ("etcd-server", "openssl", "util-linux")
NODE = (
    *CONTROL_PLANE,
    "containerd",
    "runc",
    "containernetworking-plugins",
    "nftables",
    "iptables",
    "iproute2",
    "conntrack",
    "ipset",
    "socat",
    "ethtool",
    "kmod",
)
NETWORK_POLICY = ("clang-19", "llvm-19", "bpftool")
IMAGES = ("buildah", "debootstrap", "busybox-static", "ca-certificates")
POSTGRES = ("postgresql-15",)
REDIS = ("redis-server",)
CLOCK = ("faketime",)

_PROGRAMS = {
    "busybox-static": "busybox",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "etcd-server": "etcd",
    "iproute2": "ip",
    "kmod": "modprobe",
    "llvm-19": "/usr/lib/llvm-19/bin/llc",
    "nftables": "nft",
    "postgresql-15": "/usr/lib/postgresql/15/bin/postgres",
    "util-linux": "unshare",
}
"""What shows that a package is there, where that is not a program of the package's own name.

Not its name: a host whose containerd came with Docker must keep that one.
"""
_SEARCH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
"""Administrators' programs are not on everybody's PATH."""


def ensure(names: tuple[str, ...]) -> None:
    """Install those of `names` that are missing; nothing happens, and nothing is asked for, when none is."""
    if not all(map(_is_installed, names)):
        with _alone():
            _install([name for name in names if not _is_installed(name)])


@contextmanager
def _alone() -> Iterator[None]:
    """Several tests may find a package missing at once; apt waits for one of its locks, and fails at the other."""
    with (paths.cache() / "apt.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(missing: Sequence[str]) -> None:
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise StepFailedError(
            f"these packages are missing: {' '.join(missing)}",
            "On Debian or Ubuntu run it again as root; elsewhere install what they contain by hand.",
        )
    say(f"  installing {' '.join(missing)} ...")
    with step(f"installed {len(missing)} Debian packages"):
        advice = "Run `apt-get update && apt-get install` with the same names to see what apt objects to."
        # A package manager that starts services would bring up a second etcd and PostgreSQL on the usual ports.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
        run([*apt, "update"], advice=advice, env=environment)
        run([*apt, "install", "-y", "--no-remove", "--no-install-recommends", *missing], advice=advice, env=environment)


def _is_installed(name: str) -> bool:
    evidence = _PROGRAMS.get(name, name)
    return Path(evidence).exists() if evidence.startswith("/") else _on_path(evidence) or _is_package(name)


def _on_path(program: str) -> bool:
    return shutil.which(program, path=_SEARCH) is not None


def _is_package(name: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", name]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"
    except FileNotFoundError:
        return False
