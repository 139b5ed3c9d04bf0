"""The real API server of the integration tests, as the tests talk to it: plain JSON, and kubectl where a user's eyes
matter. Fixture ``api_server`` in ``conftest`` starts it, once per session.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agentos_operator.clients.kinds import KINDS, Kind
from agentos_operator.clients.kubernetes import yaml_of
from local.api import Api, has_condition
from local.components import ControlPlane

Object = dict[str, Any]
CRDS = Path(__file__).resolve().parents[2] / "crds"
_CRD = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


class RefusedError(Exception):
    """The API server did not do as asked; the text is the sentence that its user reads."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ApiServer:
    """One API server with our CRDs, as an administrator sees it. Kinds are those of ``clients.kinds``."""

    plane: ControlPlane
    """For a client with fewer rights: ``plane.pki`` issues kubeconfigs."""
    binary: Path
    """kubectl."""
    api: Api

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.plane.kubeconfig("admin")

    def request(self, method: str, path: str, body: Object | None = None, media: str = _JSON) -> Object:
        """The answer as JSON.

        Raises:
            RefusedError: the answer is an error.
        """
        data = None if body is None else yaml_of(body) if media == _APPLY else json.dumps(body).encode()
        status, text = self.api.request(method, path, data, media if data else "")
        answer: Object = json.loads(text) if text else {}
        if not 200 <= status < 300:
            raise RefusedError(status, str(answer.get("message", "no answer")))
        return answer

    def apply(self, body: Object, *, manager: str = "test", strict: bool = True) -> Object:
        """Server-side apply, as ``kubectl apply --server-side --force-conflicts`` does it."""
        query = f"?fieldManager={manager}&force=true" + ("&fieldValidation=Strict" if strict else "")
        return self.request("PATCH", _path(body) + query, body, _APPLY)

    def create(self, body: Object, *, strict: bool = True) -> Object:
        """Create, as ``kubectl create`` does it."""
        query = "?fieldValidation=Strict" if strict else ""
        return self.request("POST", _path(body, collection=True) + query, body)

    def patch(
        self, kind: str, name: str, change: Object, namespace: str | None = None, subresource: str = ""
    ) -> Object:
        """Merge ``change`` into the object, as ``kubectl patch --type=merge`` does it."""
        path = KINDS[kind].path(name, namespace) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, change, _MERGE)

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None when there is none."""
        try:
            return self.request("GET", KINDS[kind].path(name, namespace))
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def items(self, kind: str, namespace: str | None = None) -> list[Object]:
        """All objects of a kind, in a namespace or everywhere."""
        found: list[Object] = self.request("GET", KINDS[kind].path(None, namespace))["items"]
        return found

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        """Ask for the object to go; one that is gone already is fine."""
        try:
            self.request("DELETE", KINDS[kind].path(name, namespace))
        except RefusedError as error:
            if error.status != 404:
                raise

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator, with ``text`` as standard input; unless ``check``, errors are returned."""
        done = subprocess.run(
            [self.binary, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def install_crds(self, folder: Path = CRDS) -> None:
        """Apply every CustomResourceDefinition in ``folder`` and wait until the server serves it."""
        for file in sorted(folder.glob("*.yaml")):
            for body in yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader):
                path = _CRD.path(body["metadata"]["name"], None)
                self.request("PATCH", f"{path}?fieldManager=test&force=true", body, _APPLY)
                eventually(lambda path=path: self._is_served(path), f"{path} is served")  # type: ignore[misc]

    def _is_served(self, path: str) -> bool:
        definition = self.request("GET", path)
        names = definition["spec"]["names"]["plural"]
        group, version = definition["spec"]["group"], definition["spec"]["versions"][0]["name"]
        return has_condition(definition, "Established") and self.api.get(f"/apis/{group}/{version}/{names}") is not None


def eventually(holds: Callable[[], bool], what: str, timeout: float = 60, every: float = 0.05) -> None:
    """Ask until ``holds``; the timeout is only there so that a broken test ends.

    ``every`` so many seconds: whoever asks much at once takes the processor from what is waited for.
    """
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, f"it never became so: {what}"
        time.sleep(every)


def _path(body: Mapping[str, Any], *, collection: bool = False) -> str:
    metadata = body["metadata"]
    return KINDS[body["kind"]].path(None if collection else metadata["name"], metadata.get("namespace"))
