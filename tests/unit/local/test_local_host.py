"""What a local cluster takes of its host: addresses, cgroups, processes, files."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from local import cgroups, components, network, paths, processes, steps
from local.components import ControlPlane
from local.pki import Authority, Identity
from local.steps import StepFailedError

V1 = """cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime,nsdelegate 0 0
tmpfs /run tmpfs rw 0 0
"""
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0\n"


def test_every_cgroup_hierarchy_is_found_with_what_mounts_it_again(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(V1)
    found = {h.mount.name: (h.version, h.options) for h in cgroups.hierarchies(mounts)}
    assert found == {
        "cpu,cpuacct": (1, "cpu,cpuacct"),
        "memory": (1, "memory"),
        "systemd": (1, "name=systemd"),
        "unified": (2, ""),
    }


def test_a_host_with_one_hierarchy_is_understood(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(V2)
    assert cgroups.hierarchies(mounts) == [cgroups.Hierarchy(Path("/sys/fs/cgroup"), 2, "")]


def test_two_clusters_share_no_address_and_no_device() -> None:
    one, other = network.link("agentos"), network.link("agentos-test")
    assert not set(vars(one).values()) & set(vars(other).values())
    assert network.link("agentos") == one


def test_device_names_fit_the_kernel() -> None:
    link = network.link("a-cluster-with-a-long-name")
    assert max(len(link.device), len(link.peer)) <= 15


def test_a_recycled_pid_is_not_taken_for_ours(tmp_path: Path) -> None:
    ours = processes.describe(os.getpid())
    assert ours is not None
    record = tmp_path / "process.json"
    processes.remember(record, ours)
    assert processes.recall(record) == ours
    processes.remember(record, replace(ours, started=ours.started - 1))
    assert processes.recall(record) is None
    processes.remember(record, replace(ours, boot="another boot"))
    assert processes.recall(record) is None


def test_a_damaged_record_names_no_process(tmp_path: Path) -> None:
    record = tmp_path / "process.json"
    record.write_text('{"pid": ')
    assert processes.recall(record) is None


def test_keys_and_kubeconfigs_are_private(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "pki")
    kubeconfig = authority.kubeconfig(tmp_path / "kubeconfigs/admin.yaml", Identity("admin", "a"), "https://x:1")
    private = [kubeconfig, *authority.folder.glob("*.key")]
    assert len(private) == 4  # the authority's, the service accounts' and the admin's key
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700


def test_a_server_certificate_is_trusted_for_its_names_and_addresses(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "pki")
    authority.issue(Identity("apiserver", "kube-apiserver", hosts=("127.0.0.1", "kubernetes.default.svc")))
    verify: list[str | Path] = ["openssl", "verify", "-CAfile", authority.certificate(), "-purpose", "sslserver"]
    for check in (["-verify_ip", "127.0.0.1"], ["-verify_hostname", "kubernetes.default.svc"]):
        subprocess.run([*verify, *check, authority.certificate("apiserver")], check=True, capture_output=True)


def test_a_private_file_replaces_a_readable_one(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    paths.write_private(file, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o600)


def test_a_failed_command_says_what_it_printed_last() -> None:
    with pytest.raises(StepFailedError, match="disk full") as failure:
        steps.run(["sh", "-c", "echo disk full >&2; exit 3"], advice="make room")
    assert failure.value.advice == "make room"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(StepFailedError, match="no-such-program"):
        steps.run(["no-such-program"], advice="install it")


def beside_a_failure(work: Callable[[], None]) -> str:
    """What becomes of ``work`` while a step beside it fails."""
    found: list[Future[None]] = []

    def both() -> None:
        with steps.strands() as pool:
            found.append(pool.submit(work))
            steps.gather([*found, pool.submit(steps.run, ["no-such-program"], advice="")])

    with pytest.raises(StepFailedError, match="no-such-program"):
        both()
    return str(found[0].exception())


def wait_for_ever() -> None:
    steps.wait_until(lambda: False, what="the node", timeout=600, advice="")


def test_waiting_ends_when_a_step_beside_it_has_failed() -> None:
    assert beside_a_failure(wait_for_ever) == "the node was not waited for"


def test_nothing_long_begins_beside_a_step_that_has_failed_but_later_it_does() -> None:
    def build() -> None:
        with suppress(StepFailedError):
            wait_for_ever()
        steps.go_on("not built")

    assert beside_a_failure(build) == "not built"
    steps.go_on("not built")


def test_control_planes_side_by_side_share_no_port() -> None:
    """Those of two checkouts on one host: a scheduler whose port is taken ends, and pods wait forever."""
    plane = ControlPlane({"kube-scheduler": Path("kube-scheduler")}, Path("folder"), "127.0.0.1")
    assert "--secure-port=0" in components.scheduler(plane)
