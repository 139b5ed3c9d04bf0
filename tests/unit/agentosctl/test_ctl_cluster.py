"""The edge to Kubernetes, against a small HTTP server: what every answer means to a person."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from agentosctl import errors
from agentosctl.cli import main
from agentosctl.cluster import AGENT_DEPLOYMENT, POD, SECRET, WORKSPACE, KubernetesCluster, connect

Answers = dict[str, tuple[int, Any]]
STATUS = {"kind": "Status", "message": "words of the server"}


class Api:
    """An API server with prepared answers, by path and query."""

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []
        self.sent: list[tuple[str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                api.asked.append((url.path, parse_qs(url.query), self.headers.get("Authorization", "")))
                status, body = api.answers.get(self.path, api.answers.get(url.path, (404, "404 page not found")))
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.sent.append((self.headers["Content-Type"], body))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield api
    api.server.shutdown()
    thread.join()
    api.server.server_close()


def write_kubeconfig(path: Path, **servers: str) -> str:
    """A kubeconfig with one context per server, the first one current."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
        "users": [{"name": "me", "user": {"token": "my-token"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in servers],
        "current-context": next(iter(servers)),
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture
def cluster(api: Api, tmp_path: Path) -> Iterator[KubernetesCluster]:
    connected = connect(write_kubeconfig(tmp_path / "config", here=api.url), None)
    yield connected
    connected.close()


def test_one_object_is_read_with_the_callers_credentials(api: Api, cluster: KubernetesCluster) -> None:
    path = "/api/v1/namespaces/ws-acme/secrets/agentos-jwt"
    api.answers[path] = (200, {"data": {}})
    assert cluster.get(SECRET, "agentos-jwt", "ws-acme") == {"data": {}}
    assert api.asked == [(path, {}, "Bearer my-token")]


def test_cluster_scoped_and_custom_resources_have_their_own_paths(api: Api, cluster: KubernetesCluster) -> None:
    root = "/apis/agentos.hyvve.io/v1alpha1"
    api.answers[f"{root}/workspaces/acme"] = (200, {"a": 1})
    api.answers[f"{root}/agentdeployments"] = (200, {"items": [], "metadata": {}})
    assert cluster.get(WORKSPACE, "acme") == {"a": 1}
    assert cluster.list(AGENT_DEPLOYMENT) == []


def test_long_lists_are_read_to_their_end(api: Api, cluster: KubernetesCluster) -> None:
    path = "/api/v1/namespaces/x/pods"
    api.answers[path] = (200, {"items": [{"a": 1}], "metadata": {"continue": "more"}})
    api.answers[f"{path}?limit=500&labelSelector=a%3Db&continue=more"] = (200, {"items": [{"a": 2}], "metadata": {}})
    assert cluster.list(POD, "x", "a=b") == [{"a": 1}, {"a": 2}]
    assert api.asked[0][1] == {"limit": ["500"], "labelSelector": ["a=b"]}


def test_an_annotation_is_merged_and_a_spec_is_changed_field_by_field(api: Api, cluster: KubernetesCluster) -> None:
    root = "/apis/agentos.hyvve.io/v1alpha1"
    api.answers[f"{root}/workspaces/acme"] = (200, {})
    api.answers[f"{root}/namespaces/ws-acme/agentdeployments/support"] = (200, {})
    operations = [{"op": "remove", "path": "/spec/image"}]
    cluster.annotate(WORKSPACE, "acme", {"a": "b"})
    cluster.amend(AGENT_DEPLOYMENT, "support", "ws-acme", operations)
    assert api.sent == [
        ("application/merge-patch+json", {"metadata": {"annotations": {"a": "b"}}}),
        ("application/json-patch+json", operations),
    ]
    assert api.asked[-1][1] == {"fieldManager": ["agentosctl"]}


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ((401, STATUS), errors.Unauthorized, "log in again"),
        ((403, STATUS), errors.Forbidden, "kubectl auth can-i get workspaces.agentos.hyvve.io"),
        ((404, STATUS), errors.NotFound, "there is no Workspace acme"),
        ((404, "404 page not found"), errors.NotInstalled, "install the chart"),
        ((503, STATUS), errors.Refused, "words of the server"),
        ((502, "<html>"), errors.Refused, "no reason given"),
        ((500, ["odd"]), errors.Refused, "no reason given"),
    ],
)
def test_every_answer_becomes_a_sentence(
    api: Api, cluster: KubernetesCluster, answer: tuple[int, Any], kind: type[Exception], said: str
) -> None:
    api.answers["/apis/agentos.hyvve.io/v1alpha1/workspaces/acme"] = answer
    with pytest.raises(kind, match=said):
        cluster.get(WORKSPACE, "acme")


def test_a_cluster_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_kubeconfig(tmp_path / "config", gone="http://127.0.0.1:1")
    assert main(["--kubeconfig", config, "status"]) == 1
    said = capsys.readouterr().err
    assert "the API server http://127.0.0.1:1 cannot be reached" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("flags", [["--kubeconfig", "absent"], ["--context", "absent"]])
def test_no_such_configuration(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    here = ["--kubeconfig", write_kubeconfig(tmp_path / "config", here=api.url)]
    assert main([*here, *flags, "status"]) == 1
    assert "no cluster is configured" in capsys.readouterr().err


@pytest.mark.parametrize("behind", [True, False])
def test_context_and_kubeconfig_may_stand_before_or_behind_the_command(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], behind: bool
) -> None:
    api.answers["/apis/agentos.hyvve.io/v1alpha1/workspaces"] = (200, {"items": [], "metadata": {}})
    for kind in ("namespaces", "pods"):
        api.answers[f"/api/v1/{kind}"] = (200, {"items": [], "metadata": {}})
    config = write_kubeconfig(tmp_path / "config", wrong="http://127.0.0.1:1", right=api.url)
    flags = ["--kubeconfig", config, "--context", "right"]
    api.answers["/apis/agentos.hyvve.io/v1alpha1/agentdeployments"] = (200, {"items": [], "metadata": {}})
    assert main(["status", *flags] if behind else [*flags, "status"]) == 0
    assert capsys.readouterr().out == "There are no workspaces.\n"
