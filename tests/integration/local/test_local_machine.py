"""A machine of namespaces on this very host: what it hides, and what it leaves behind however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import cgroups, debian, nodeimages, paths, processes
from local.machine import Machine
from local.steps import StepFailedError, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Machine]:
    """A running, empty machine whose state and cache are this test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    debian.ensure(debian.NODE)
    found = Machine("machine-test")
    nodeimages.folder(found.name)
    found.start()
    yield found
    found.stop()
    shutil.rmtree(paths.state(found.name))


def kill_process_1(machine: Machine) -> None:
    """End the machine as the kernel's out-of-memory killer would."""
    init = machine.init()
    assert init is not None
    os.kill(init.pid, signal.SIGKILL)
    wait_until(lambda: not processes.is_alive(init), what="its end", timeout=20, advice="")


def left_on_the_host(machine: Machine) -> list[str]:
    """Whatever of the machine this host still has."""
    devices = [device["ifname"] for device in json.loads(subprocess.check_output(["ip", "-j", "link"]))]
    tables = subprocess.check_output(["nft", "list", "tables"], text=True)
    left = [device for device in devices if device in (machine.link.device, machine.link.peer)]
    left += [machine.link.table] if machine.link.table in tables else []
    left += ["cgroups"] if cgroups.exists(machine.name) else []
    return left


def test_the_host_sees_no_mount_of_the_machine(machine: Machine) -> None:
    host = Path("/proc/self/mounts").read_text()
    assert "/machine" not in host
    assert "/machine" in machine.run(["cat", "/proc/self/mounts"])


def test_the_host_keeps_its_settings_while_the_kubelet_finds_those_it_wants(machine: Machine) -> None:
    before = Path("/proc/sys/kernel/panic").read_text()
    assert machine.run(["cat", "/proc/sys/kernel/panic"]) == "10\n"
    machine.run(["sh", "-c", "echo 11 > /proc/sys/kernel/panic"])
    assert Path("/proc/sys/kernel/panic").read_text() == before


def test_the_machine_sees_only_its_own_processes_and_cgroups(machine: Machine) -> None:
    assert "local.machine_init" in machine.run(["cat", "/proc/1/cmdline"])
    assert str(os.getpid()) not in machine.run(["ls", "/proc"]).split()
    hierarchy = cgroups.hierarchies()[0].mount
    assert cgroups.PARENT not in machine.run(["ls", hierarchy]).split()


def test_a_component_that_ends_is_started_again(machine: Machine) -> None:
    machine.launch("once", ["sh", "-c", "echo started; sleep 0.1"])
    advice = "see the log"
    wait_until(lambda: machine.components()["once"]["exits"] > 1, what="a restart", timeout=20, advice=advice)
    assert (machine.state / "logs/once.log").read_text().count("started") > 1


def test_a_component_that_cannot_run_is_reported_with_its_last_words(machine: Machine) -> None:
    machine.launch("broken", ["sh", "-c", "echo cannot open the database; exit 1"])
    with pytest.raises(StepFailedError, match="cannot open the database"):
        machine.wait_for("broken", lambda: False, timeout=60)


def test_a_program_that_does_not_exist_leaves_process_1_alive(machine: Machine) -> None:
    machine.launch("absent", ["/no/such/program"])
    wait_until(lambda: machine.components()["absent"]["exits"] > 0, what="a failure", timeout=20, advice="")
    assert machine.init() is not None


def test_a_killed_machine_takes_its_processes_with_it(machine: Machine) -> None:
    machine.launch("sleeper", ["sh", "-c", "echo $$ in $(readlink /proc/self/ns/pid); exec sleep 1000"])
    namespace = machine.run(["readlink", "/proc/self/ns/pid"]).strip()
    kill_process_1(machine)
    assert (
        namespace
        not in subprocess.run(
            "readlink /proc/[0-9]*/ns/pid", shell=True, capture_output=True, text=True, check=False
        ).stdout.split()
    )


def test_what_a_killed_machine_leaves_is_removed_by_stop(machine: Machine) -> None:
    kill_process_1(machine)
    assert left_on_the_host(machine)
    machine.stop()
    assert left_on_the_host(machine) == []


def test_a_killed_machine_can_be_started_again(machine: Machine) -> None:
    kill_process_1(machine)
    machine.stop()
    machine.start()
    assert machine.run(["hostname"]).strip() == machine.name


def test_two_machines_run_side_by_side(machine: Machine) -> None:
    other = Machine("machine-test-2")
    nodeimages.folder(other.name)
    try:
        other.start()
        assert other.link.node in other.run(["ip", "-brief", "address"])
        assert other.link.node not in machine.run(["ip", "-brief", "address"])
    finally:
        other.stop()
    assert machine.init() is not None
