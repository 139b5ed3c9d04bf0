"""The target `existing`: the cluster of the current kubectl context; `local.targets` picks it.

Nothing of the cluster is created by it. Images go to the registry that $REGISTRY names, because nothing
else reaches the nodes of a cluster that is not ours. The gateway must be there; a port-forward leads to it.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local import addons, demo, images, paths, processes, toolchain
from local.api import has_condition
from local.images import ImageArchive
from local.steps import StepFailedError, run, step, wait_until

_SERVICE = f"service/{addons.GATEWAY_NAME}"


@dataclass
class ExistingTarget:
    """The cluster of the current context, as it was when `up` was called."""

    state: Path

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig.yaml"

    def build_images(self, names: Iterable[str]) -> Mapping[str, ImageArchive]:
        return images.ensure(names)

    def up(self, port: int, images: Iterable[ImageArchive]) -> None:
        del images  # pushed when they are wanted
        kubectl = toolchain.ensure(("kubectl",))["kubectl"]
        advice = "Check `kubectl config current-context` and `kubectl get nodes`."
        view: list[str | Path] = [kubectl, "config", "view", "--minify", "--flatten", "--raw"]
        paths.private_folder(self.state)
        paths.write_private(self.kubeconfig, run(view, advice=advice))
        with step("cluster answers", quiet_below=1.0):
            run([kubectl, "--kubeconfig", self.kubeconfig, "get", "--raw", "/readyz"], advice=advice)
        self._require_gateway()
        self._forward(kubectl, port)

    def _require_gateway(self) -> None:
        if not has_condition(self._gateway(), "Programmed"):
            why = f"this cluster has no programmed Gateway {addons.GATEWAY_NAMESPACE}/{addons.GATEWAY_NAME}"
            what = "Install Envoy Gateway and that Gateway: docs/local-cluster.md shows both commands."
            raise StepFailedError(why, what)

    def _gateway(self) -> dict[str, Any]:
        """The Gateway, empty when it or its kind is absent. kubectl asks: a kubeconfig may need its login plugins."""
        kubectl = str(toolchain.ensure(("kubectl",))["kubectl"])
        resource = f"gateways.gateway.networking.k8s.io/{addons.GATEWAY_NAME}"
        command = [kubectl, "--kubeconfig", str(self.kubeconfig), "--namespace", addons.GATEWAY_NAMESPACE]
        done = subprocess.run([*command, "get", resource, "-o", "json"], capture_output=True, text=True, check=False)
        found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return found

    def _forward(self, kubectl: Path, port: int) -> None:
        """Keep a port-forward to the gateway running beside us; `down` ends it."""
        record = self.state / "forward.json"
        if processes.recall(record) and self._port() == port:
            return
        self._end_forward()
        log = self.state / "forward.log"
        place = ["--kubeconfig", str(self.kubeconfig), "--namespace", addons.DATA_PLANE_NAMESPACE]
        command = [str(kubectl), *place, "port-forward", _SERVICE, f"{port}:80"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        if started := processes.describe(process.pid):
            processes.remember(record, started)
        advice = f"Try `kubectl {' '.join(place[2:])} port-forward {_SERVICE} {port}:80`, or another PORT."

        def forwards() -> bool:
            if process.poll() is not None:
                raise StepFailedError(f"the port-forward ended: {log.read_text().strip()[-300:]}", advice)
            return "Forwarding from" in log.read_text()

        wait_until(forwards, what="the port-forward to the gateway", timeout=30, advice=advice, log=log)
        paths.write_private(self.state / "port", str(port))

    def _port(self) -> int:
        file = self.state / "port"
        return int(file.read_text()) if file.exists() else 0

    def load_images(self, images: Mapping[str, ImageArchive]) -> Mapping[str, ImageArchive]:
        registry = os.environ.get("REGISTRY", "").rstrip("/")
        if not registry:
            what = "Set REGISTRY to one that you may push to and its nodes may pull from, as in REGISTRY=host/team."
            raise StepFailedError("images cannot reach this cluster's nodes without a registry", what)
        crane = toolchain.ensure(("crane",))["crane"]
        pushed = {name: published(image, registry) for name, image in images.items()}
        for name, image in pushed.items():
            with step(f"pushed {image.ref}", quiet_below=1.0):
                advice = f"Check that you are logged in to {registry} (`docker login` or `crane auth login`)."
                run([crane, "push", images[name].archive, image.ref], advice=advice)
        return pushed

    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self._port()}"

    def down(self) -> None:
        """End the port-forward, and remove the example and the release: nothing else here is ours."""
        if self.kubeconfig.exists():
            with step("removed the example and the chart", quiet_below=1.0):
                self._uninstall()
        self._end_forward()
        self.kubeconfig.unlink(missing_ok=True)

    def _uninstall(self) -> None:
        binaries = toolchain.ensure(("kubectl", "helm"))
        kubectl: list[str | Path] = [binaries["kubectl"], "--kubeconfig", self.kubeconfig, "delete"]
        kubectl += ["--ignore-not-found", "--timeout=180s"]
        advice = "See `kubectl get workspaces,agentdeployments -A` for what blocks its deletion."
        # First what the operator has to clean up, while it still runs.
        for example in reversed(demo.EXAMPLES):
            run([*kubectl, "-f", example], advice=advice)
        run([*kubectl, "-f", "-"], stdin=addons.manifest("fake-model", {"IMAGE": "any"}), advice=advice)
        release = ["--namespace", demo.NAMESPACE, "uninstall", demo.RELEASE, "--ignore-not-found", "--wait"]
        run([binaries["helm"], "--kubeconfig", self.kubeconfig, *release], advice=advice)
        run([*kubectl, "namespace", demo.NAMESPACE], advice=advice)

    def _end_forward(self) -> None:
        record = self.state / "forward.json"
        if process := processes.recall(record):
            processes.end(process)
        for file in (record, self.state / "port"):
            file.unlink(missing_ok=True)


def published(image: ImageArchive, registry: str) -> ImageArchive:
    """The image under the name that it has in `registry`."""
    return replace(image, ref=f"{registry}/{image.ref.removeprefix('localhost/')}")
