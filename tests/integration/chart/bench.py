"""helm and kubectl on one API server, as the tests of the chart use them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

from local import toolchain
from local.api import Api
from local.components import ControlPlane

CHART = Path(__file__).resolve().parents[3] / "charts" / "agentos"
NAMESPACE = "platform"


class Bench:
    """The administrator's tools."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.binaries = toolchain.ensure(["helm", "kubectl"])
        self.api = Api(plane.kubeconfig("admin"))

    def run(self, tool: str, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a tool; the caller looks at how it ended."""
        command = [str(self.binaries[tool]), f"--kubeconfig={self.plane.kubeconfig('admin')}", *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    def helm(self, *arguments: str) -> str:
        """Run helm, which must work."""
        done = self.run("helm", "-n", NAMESPACE, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl, which must work."""
        done = self.run("kubectl", *arguments, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, script: str, folder: Path) -> str:
        """Run a script as a person would, with helm and kubectl on PATH; it must work."""
        tools = folder / "bin"
        tools.mkdir(exist_ok=True)
        for name, binary in self.binaries.items():
            if not (tools / name).exists():
                (tools / name).symlink_to(binary)
        environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.plane.kubeconfig("admin")),
        }
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def password(self) -> str:
        """The generated password of the embedded PostgreSQL."""
        path = "-o=jsonpath={.data.password}"
        return base64.b64decode(self.kubectl("-n", NAMESPACE, "get", "secret", "agentos-postgres-admin", path)).decode()

    def may(self, who: str, verb: str, resource: str, namespace: str = "", group: str = "") -> bool:
        """Whether the API server would let `who` do it."""
        resource, _, subresource = resource.partition("/")
        attributes = {"namespace": namespace, "verb": verb, "resource": resource, "subresource": subresource}
        spec = {"user": who, "resourceAttributes": attributes | {"group": group}}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        status, text = self.api.request("POST", path, json.dumps(body).encode(), "application/json")
        assert status == 201, text
        return bool(json.loads(text)["status"]["allowed"])
