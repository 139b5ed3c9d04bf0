"""The target `kind`: a cluster of containers where Docker works; `local.targets` picks it.

kind's own pod network enforces NetworkPolicy, so only the gateway is added. Its Service has a fixed node port, which
kind publishes on the loopback port that the user asked for.
"""

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local import addons, images, paths, toolchain
from local.api import Api
from local.images import ImageArchive
from local.steps import StepFailedError, run, step

GATEWAY_IMAGES = ("envoy", "envoy-gateway")
_ADVICE = "kind needs a working Docker: see `docker info`; CLUSTER=local needs none."


@dataclass
class KindTarget:
    """A kind cluster."""

    name: str = "agentos"

    @property
    def state(self) -> Path:
        """What we remember of it."""
        return paths.state(f"kind-{self.name}")

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig.yaml"

    def build_images(self, names: Iterable[str]) -> Mapping[str, ImageArchive]:
        return images.ensure(names)

    def up(self, port: int, images: Iterable[ImageArchive]) -> None:
        del images  # loaded when they are wanted: docker holds them already
        binaries = toolchain.ensure(("kind", "helm", "kubectl"))
        paths.private_folder(self.state)
        if not self._exists():
            with step("kind cluster"):
                config = yaml.safe_dump(configuration(port))
                command: list[str | Path] = [binaries["kind"], "create", "cluster", "--name", self.name]
                command += ["--kubeconfig", self.kubeconfig, "--wait", "180s", "--config", "-"]
                run(command, stdin=config, advice=_ADVICE)
            paths.write_private(self.state / "port", str(port))
        elif self.port != port:
            why = f"the kind cluster {self.name} publishes port {self.port}, which cannot be changed"
            raise StepFailedError(why, f"Use PORT={self.port}, or `make down` first.")
        self._gateway(binaries)

    def _gateway(self, binaries: Mapping[str, Path]) -> None:
        with step("gateway (Envoy Gateway)", quiet_below=1.0):
            found = images.ensure(GATEWAY_IMAGES)
            self.load_images(found)
            addons.install_envoy_gateway(binaries["helm"], self.kubeconfig, found["envoy-gateway"].ref)
            addons.apply_gateway(binaries["kubectl"], self.kubeconfig, found["envoy"].ref)
            addons.wait_for_gateway(Api(self.kubeconfig))

    @property
    def port(self) -> int:
        """The loopback port that leads to the gateway."""
        file = self.state / "port"
        return int(file.read_text()) if file.exists() else 0

    def load_images(self, images: Mapping[str, ImageArchive]) -> Mapping[str, ImageArchive]:
        kind = toolchain.ensure(("kind",))["kind"]
        record = self.state / "loaded"
        loaded = set(record.read_text().split()) if record.exists() else set()
        for image in images.values():
            if image.ref not in loaded:
                run([kind, "load", "image-archive", image.archive, "--name", self.name], advice=_ADVICE)
                loaded.add(image.ref)
                paths.write_private(record, "\n".join(sorted(loaded)))
        return images

    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def down(self) -> None:
        if self._exists():
            kind = toolchain.ensure(("kind",))["kind"]
            run([kind, "delete", "cluster", "--name", self.name], advice=_ADVICE)
        for file in ("kubeconfig.yaml", "port", "loaded"):
            (self.state / file).unlink(missing_ok=True)

    def _exists(self) -> bool:
        """Asked of Docker: building kind only to learn that there is nothing would take a minute."""
        label = f"label=io.x-k8s.kind.cluster={self.name}"
        command = ["docker", "ps", "--all", "--quiet", "--filter", label]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0 and bool(done.stdout.strip())


def configuration(port: int) -> dict[str, Any]:
    """One node that publishes the gateway's node port on loopback."""
    published = {"containerPort": addons.NODE_PORT, "hostPort": port, "listenAddress": "127.0.0.1"}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane", "extraPortMappings": [published]}],
    }
