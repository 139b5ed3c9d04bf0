"""Choosing where to bring the project up, the node's configuration, and the relay to the gateway."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import addons, node, paths, targets, targets_existing, targets_kind
from local.images import ImageArchive
from local.steps import StepFailedError

IMAGE = ImageArchive("agentos-operator", "localhost/agentos-operator:0.1.0-abc", "abc", Path("operator.tar"))


def test_an_unknown_kind_of_cluster_is_refused_with_the_choice() -> None:
    with pytest.raises(StepFailedError) as failure:
        targets.choose("minikube")
    assert "local, kind, existing" in failure.value.advice


def test_without_docker_the_own_cluster_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isinstance(targets.choose(""), targets.LocalTarget)


def test_with_docker_kind_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 0\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert isinstance(targets.choose(""), targets_kind.KindTarget)


def test_kind_publishes_the_gateway_on_loopback_only() -> None:
    (one,) = targets_kind.configuration(8123)["nodes"]
    (mapping,) = one["extraPortMappings"]
    assert mapping == {"containerPort": addons.NODE_PORT, "hostPort": 8123, "listenAddress": "127.0.0.1"}


def test_images_get_the_registrys_name_for_a_foreign_cluster() -> None:
    image = targets_existing.published(IMAGE, "registry.example.com/team")
    assert image.ref == "registry.example.com/team/agentos-operator:0.1.0-abc"


def test_a_foreign_cluster_without_a_registry_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REGISTRY", raising=False)
    with pytest.raises(StepFailedError) as failure:
        targets_existing.ExistingTarget(tmp_path).load_images({"agentos-operator": IMAGE})
    assert "REGISTRY=" in failure.value.advice


def test_policies_are_enforced_last_in_the_chain() -> None:
    kinds = [plugin["type"] for plugin in node.cni_config("10.244.0.0/24", policies=True)["plugins"]]
    assert kinds == ["bridge", "portmap", "cilium-cni"]


def test_manifests_have_no_placeholder_left() -> None:
    text = addons.coredns("localhost/coredns:1", ["192.0.2.53"])
    text += addons.manifest("gateway", {"ENVOY_IMAGE": "localhost/envoy:1", "NODE_PORT": "30080"})
    assert "$" not in text
    assert "forward . 192.0.2.53" in text


@contextmanager
def relay_to(port: int) -> Iterator[int]:
    """A running relay; yields the port that it listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The relay takes descriptor 3, as a machine's process 1 hands it over.
        script = f"exec 3<&{listener.fileno()}; exec {sys.executable} -m local.forward 127.0.0.1 {port}"
        process = subprocess.Popen(["bash", "-c", script], pass_fds=[listener.fileno()], cwd=paths.CHECKOUT)
        try:
            yield int(listener.getsockname()[1])
        finally:
            process.kill()
            process.wait()


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it, in order or by a reset."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_the_relay_passes_a_whole_answer_after_the_client_has_finished_sending() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        relay_to(server.getsockname()[1]) as port,
        socket.create_connection(("127.0.0.1", port), timeout=20) as client,
    ):
        server.settimeout(20)
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(20)
            assert b"".join(iter(lambda: accepted.recv(4096), b"")) == b"question"
            sender = threading.Thread(target=accepted.sendall, args=(b"x" * 3_000_000,))
            sender.start()
            received = 0
            while received < 3_000_000 and (part := client.recv(65536)):
                received += len(part)
            sender.join()
        assert received == 3_000_000


def test_the_relay_closes_a_connection_that_the_gateway_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = int(unused.getsockname()[1])
    with relay_to(closed) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        assert is_closed(client)
