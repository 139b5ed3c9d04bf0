"""The client of the API server: requests as the API wants them, answers as errors that the reconcilers understand."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from agentos_operator.clients.kinds import KINDS, LEASE, NAMESPACE, SECRET, SERVICE, WORKSPACE, Kind
from agentos_operator.clients.kubernetes import Kubernetes, yaml_of
from agentos_operator.errors import ApiError, ApiUnavailable, Conflict, Forbidden, Invalid, NotFound

Object = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SERVICE_BODY: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "ws-acme"}}
SECRET_BODY: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ws-acme"}}


class Remote:
    """An API server that answers as told and notes what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], str, Object | None]] = []
        self.answer: tuple[int, str] | None = 200, "{}"
        """Status and text; None closes the connection instead."""
        self.to_get: tuple[int, str] | None = None
        """Answers what is read in another way."""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        content_type = request.headers.get("Content-Type", "")
        body = json.loads(text) if text else None
        self.requests.append((request.method, request.path, dict(request.query), content_type, body))
        if request.method == "GET" and self.to_get is not None:
            return web.Response(status=self.to_get[0], text=self.to_get[1], content_type="application/json")
        if self.answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return web.Response(status=self.answer[0], text=self.answer[1], content_type="application/json")

    def refuse(self, status: int, message: str = "planted message") -> None:
        """Answer everything like this."""
        self.answer = status, json.dumps({"kind": "Status", "message": message})


def client_of(host: str) -> Kubernetes:
    """A client without credentials."""
    configuration = Configuration()
    configuration.host = host
    configuration.retries = None
    return Kubernetes(ApiClient(configuration))


@pytest.fixture
def remote() -> Remote:
    """The other end."""
    return Remote()


@pytest.fixture
async def client(remote: Remote) -> AsyncIterator[Kubernetes]:
    """The client under test, connected to ``remote``."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", remote.serve)
    async with TestServer(app) as server:
        kubernetes = client_of(str(server.make_url("")).rstrip("/"))
        yield kubernetes
        await kubernetes.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Invalid),
        (401, ApiError),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, ApiError),
        (422, Invalid),
        (429, ApiUnavailable),
        (500, ApiUnavailable),
        (503, ApiUnavailable),
    ],
)
async def test_a_refusal_is_an_error_of_its_own_kind_with_the_servers_sentence(
    client: Kubernetes, remote: Remote, status: int, error: type[ApiError]
) -> None:
    remote.refuse(status)
    with pytest.raises(ApiError) as caught:
        await client.apply(SERVICE_BODY)
    assert type(caught.value) is error
    assert "planted message" in str(caught.value)
    assert "/api/v1/namespaces/ws-acme/services/x" in str(caught.value)


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_secret_is_not_quoted(client: Kubernetes, remote: Remote, status: int) -> None:
    remote.refuse(status, 'Invalid value: "planted-secret"')
    with pytest.raises(Invalid) as caught:
        await client.apply(SECRET_BODY)
    assert "planted-secret" not in str(caught.value)
    assert "/secrets/s" in str(caught.value)


async def test_a_connection_that_breaks_is_unavailable(client: Kubernetes, remote: Remote) -> None:
    remote.answer = None
    with pytest.raises(ApiUnavailable, match="did not answer"):
        await client.get(WORKSPACE, "acme")


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    kubernetes = client_of(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(ApiUnavailable, match="did not answer"):
        await kubernetes.get(WORKSPACE, "acme")
    await kubernetes.close()


@pytest.mark.parametrize("text", ["", "<html>a proxy's page</html>", "[1"])
async def test_an_answer_that_is_no_json_is_unavailable_and_not_a_crash(
    client: Kubernetes, remote: Remote, text: str
) -> None:
    remote.answer = 200, text
    with pytest.raises(ApiUnavailable):
        await client.get(WORKSPACE, "acme")


@pytest.mark.parametrize("text", ["", "<html>502</html>", "[]", "null", '{"message": 7}', "x" * 10_000])
async def test_a_refusal_of_any_form_is_understood(client: Kubernetes, remote: Remote, text: str) -> None:
    remote.answer = 502, text
    with pytest.raises(ApiUnavailable) as caught:
        await client.get(WORKSPACE, "acme")
    assert len(str(caught.value)) < 500


async def test_a_refusal_of_any_length_fits_into_a_condition(client: Kubernetes, remote: Remote) -> None:
    """What does not would keep the status from being written, and nobody would be told anything."""
    remote.refuse(422, "x" * 200_000)
    with pytest.raises(Invalid) as caught:
        await client.apply(SERVICE_BODY)
    assert len(str(caught.value)) < 32_768


async def test_what_is_not_there_is_none_for_find_and_an_error_for_get(client: Kubernetes, remote: Remote) -> None:
    remote.refuse(404)
    assert await client.find(WORKSPACE, "acme") is None
    with pytest.raises(NotFound):
        await client.get(WORKSPACE, "acme")


async def test_a_read_that_is_forbidden_is_not_taken_for_absence(client: Kubernetes, remote: Remote) -> None:
    remote.refuse(403)
    with pytest.raises(Forbidden):
        await client.find(SECRET, "s", "ws-acme")


async def test_an_apply_takes_every_field_under_one_manager(client: Kubernetes, remote: Remote) -> None:
    await client.apply(SERVICE_BODY)
    ((method, path, query, content_type, body),) = remote.requests
    assert (method, path) == ("PATCH", "/api/v1/namespaces/ws-acme/services/x")
    assert query == {"fieldManager": "agentos-operator", "force": "true"}
    assert content_type.partition(";")[0] == "application/apply-patch+yaml"
    assert body == SERVICE_BODY


async def test_what_is_applied_has_no_escape_that_yaml_does_not_know(client: Kubernetes, remote: Remote) -> None:
    """The API server reads it as YAML, to which the two halves of an emoji are an error each."""
    texts = ["🙂", "\\🙂", "\\ud83d\\ude42", "\x7f\x85\u2028\ufeff\uffff", "ä", '"\\\n']
    body = SERVICE_BODY | {"data": texts}
    await client.apply(body)
    assert remote.requests[0][4] == body
    assert re.search(rb"\\\\ud[89a-f][0-9a-f]{2}", yaml_of(SERVICE_BODY | {"data": texts[:2]})) is None
    assert yaml_of({"data": texts[3:4]}).isascii(), "what YAML does not print stays escaped"


async def test_a_status_goes_to_its_subresource(client: Kubernetes, remote: Remote) -> None:
    await client.apply(
        {"apiVersion": WORKSPACE.api_version, "kind": "Workspace", "metadata": {"name": "acme"}}, subresource="status"
    )
    assert remote.requests[0][1] == "/apis/agentos.hyvve.io/v1alpha1/workspaces/acme/status"


async def test_create_posts_to_the_collection_and_replace_puts_to_the_object(
    client: Kubernetes, remote: Remote
) -> None:
    lease = {"kind": "Lease", "metadata": {"name": "l", "namespace": "n", "resourceVersion": "7"}}
    await client.create(lease)
    await client.replace(lease)
    collection = "/apis/coordination.k8s.io/v1/namespaces/n/leases"
    assert [request[:2] for request in remote.requests] == [("POST", collection), ("PUT", f"{collection}/l")]
    assert remote.requests[1][4] == lease, "with the version that was read, or a Conflict could never be seen"


async def test_a_deletion_names_the_uid_so_that_a_namesake_survives(client: Kubernetes, remote: Remote) -> None:
    await client.delete(NAMESPACE, "ws-acme", None, "uid-1")
    method, path, _, _, body = remote.requests[0]
    assert (method, path) == ("DELETE", "/api/v1/namespaces/ws-acme")
    assert body is not None
    assert body["preconditions"] == {"uid": "uid-1"}


async def test_deleting_what_is_gone_is_done(client: Kubernetes, remote: Remote) -> None:
    remote.refuse(404)
    await client.delete(NAMESPACE, "ws-acme", None, "uid-1")


@pytest.mark.parametrize(
    "live", [(404, "{}"), (200, '{"metadata": {"uid": "uid-2"}}')], ids=["gone by now", "another by now"]
)
async def test_a_conflict_about_what_is_not_the_same_any_more_is_done(
    client: Kubernetes, remote: Remote, live: tuple[int, str]
) -> None:
    remote.refuse(409)
    remote.to_get = live
    await client.delete(NAMESPACE, "ws-acme", None, "uid-1")


async def test_a_conflict_about_what_is_still_there_is_told(client: Kubernetes, remote: Remote) -> None:
    """Whoever took it for gone would leave a route that still leads to a suspended runtime."""
    remote.refuse(409)
    remote.to_get = 200, '{"metadata": {"uid": "uid-1"}}'
    with pytest.raises(Conflict):
        await client.delete(NAMESPACE, "ws-acme", None, "uid-1")


async def test_a_list_selects_by_all_labels_and_gives_whole_objects(client: Kubernetes, remote: Remote) -> None:
    remote.answer = 200, json.dumps({"items": [{"metadata": {"name": "x"}}]})
    found = await client.list(SERVICE, "ws-acme", {"a": "b", "c/d": "e"})
    assert found == [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}]
    assert remote.requests[0][2] == {"labelSelector": "a=b,c/d=e"}


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "path"),
    [
        (NAMESPACE, "ws-acme", None, "/api/v1/namespaces/ws-acme"),
        (WORKSPACE, None, None, "/apis/agentos.hyvve.io/v1alpha1/workspaces"),
        (SERVICE, "x", "ws-acme", "/api/v1/namespaces/ws-acme/services/x"),
        (SERVICE, None, None, "/api/v1/services"),
        (LEASE, "l", "n", "/apis/coordination.k8s.io/v1/namespaces/n/leases/l"),
    ],
)
def test_a_path_is_where_the_api_server_has_the_object(
    kind: Kind, name: str | None, namespace: str | None, path: str
) -> None:
    assert kind.path(name, namespace) == path


def test_every_kind_is_found_by_its_name() -> None:
    assert all(kind.kind == name for name, kind in KINDS.items())


async def test_a_replica_that_may_not_lead_any_more_sends_no_write_but_to_the_lease(
    client: Kubernetes, remote: Remote
) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x", "namespace": "y"}}
    client.may_write = lambda: False
    for write in (
        client.apply(SECRET_BODY),
        client.create(SECRET_BODY),
        client.replace(SECRET_BODY),
        client.amend(SECRET_BODY, []),
        client.delete(SECRET, "s", "ws-acme", "uid"),
    ):
        with pytest.raises(ApiUnavailable, match="another replica may lead"):
            await write
    assert remote.requests == []
    await client.replace(lease)
    await client.get(SECRET, "s", "ws-acme")
    assert [method for method, *_ in remote.requests] == ["PUT", "GET"]
