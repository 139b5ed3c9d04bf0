"""The operator's only way to the API server, used by ``reconcile`` and ``leader``.

Objects travel as plain dicts: the typed models of the kubernetes package decode twenty times slower. Configuration,
credentials (with their renewal) and transport are the package's. Nothing is retried here: reconciliation is
level-based, so its queue tries again as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from agentos_operator.clients.kinds import KINDS, LEASE, SECRET, Kind
from agentos_operator.errors import ApiError, ApiUnavailable, Conflict, Forbidden, Invalid, NotFound
from agentos_operator.naming import FIELD_MANAGER
from agentos_operator.resources.common import Object

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=15)
"""Seconds until a request counts as unanswered; shorter than the Lease, so that a late write of a replica that lost
leadership cannot happen."""

_LONGEST_MESSAGE = 4000
"""Characters of the API server's own words that go on: a condition takes 32,768, and what is refused may be quoted."""

_PAGE = 500
"""Objects of a list that are read at a time, which bounds the memory that it takes."""
_METADATA_OF_ALL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA_OF_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches"""

_ERRORS: Mapping[int, type[ApiError]] = {
    400: Invalid,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Invalid,
}


class Kubernetes:
    """Reads and writes objects. Every method raises an ApiError (drawn in ``errors``)."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self.may_write: Callable[[], bool] = lambda: True
        """Asked before each write but those of the Lease, which decide about it."""

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        """The object; NotFound when there is none."""
        return await self._request("GET", kind, kind.path(name, namespace))

    async def find(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None when there is none."""
        try:
            return await self.get(kind, name, namespace)
        except NotFound:
            return None

    async def version(self, kind: Kind, name: str, namespace: str) -> str | None:
        """The object's resource version, or None when there is no such object; its contents stay where they are."""
        try:
            found = await self._request("GET", kind, kind.path(name, namespace), accept=_METADATA_OF_ONE)
        except NotFound:
            return None
        return str(found["metadata"]["resourceVersion"])

    async def list(self, kind: Kind, namespace: str | None, labels: Mapping[str, str]) -> list[Object]:
        """All objects with ``labels``, in ``namespace`` or in all."""
        query = {"labelSelector": _selector(labels)}
        found = await self._request("GET", kind, kind.path(None, namespace), query=query)
        items: list[Object] = found["items"]
        # The items of a list leave out what all of them share.
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in items]

    async def pick(self, kind: Kind, name: str, namespace: str) -> Object | None:
        """The object, or None when there is none, by the right to list where there is none to get."""
        query = {"fieldSelector": f"metadata.name={name}"}
        found = await self._request("GET", kind, kind.path(None, namespace), query=query)
        items: list[Object] = found["items"]
        return items[0] if items else None

    async def names(self, kind: Kind, labels: Mapping[str, str]) -> set[tuple[str | None, str]]:
        """Namespace and name of all objects with ``labels``, read from the API server's cache."""
        found = await self._metadata(kind, {"labelSelector": _selector(labels), "resourceVersion": "0"})
        return {(item["metadata"].get("namespace"), item["metadata"]["name"]) for item in found["items"] or ()}

    async def metadata(self, kind: Kind, labels: Mapping[str, str]) -> AsyncIterator[Object]:
        """All objects with ``labels`` as they are at this moment, without their contents; a page of them in memory."""
        query = {"labelSelector": _selector(labels), "limit": str(_PAGE)}
        while True:
            found = await self._metadata(kind, query)
            for item in found["items"] or ():
                # What each says of itself is that it is a PartialObjectMetadata.
                yield {**item, "apiVersion": kind.api_version, "kind": kind.kind}
            if not (more := found["metadata"].get("continue")):
                return
            query["continue"] = more

    async def _metadata(self, kind: Kind, query: Mapping[str, str]) -> Object:
        """A list whose items are null when there are none."""
        return await self._request("GET", kind, kind.path(None, None), query=query, accept=_METADATA_OF_ALL)

    async def create(self, body: Object) -> Object:
        """Create the object; Conflict when it exists."""
        kind = KINDS[body["kind"]]
        path = kind.path(None, body["metadata"].get("namespace"))
        return await self._request("POST", kind, path, body, {"fieldManager": FIELD_MANAGER})

    async def replace(self, body: Object) -> Object:
        """Replace the object as it was read; Conflict when somebody wrote in between (resourceVersion)."""
        kind = KINDS[body["kind"]]
        return await self._request("PUT", kind, _path(kind, body), body, {"fieldManager": FIELD_MANAGER})

    async def apply(self, body: Object, subresource: str = "", manager: str = FIELD_MANAGER) -> Object:
        """Server-side apply: every field of ``body`` becomes ours, fields that we sent before and omit now go.

        "Ours" is what ``manager`` owns, which is the operator itself but where it lets go of a field.

        https://kubernetes.io/docs/reference/using-api/server-side-apply/
        """
        kind = KINDS[body["kind"]]
        path = _path(kind, body) + (f"/{subresource}" if subresource else "")
        return await self._request("PATCH", kind, path, body, {"fieldManager": manager, "force": "true"})

    async def amend(self, body: Object, operations: Sequence[Object]) -> Object:
        """Change the object that ``body`` names by JSON Patch (RFC 6902); Invalid when a ``test`` does not hold."""
        kind = KINDS[body["kind"]]
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("PATCH", kind, _path(kind, body), operations, query)

    async def delete(self, kind: Kind, name: str, namespace: str | None, uid: str) -> None:
        """Delete the object with ``uid``; one that is gone or has another UID is left alone.

        A refusal as a Conflict is not believed unseen: whoever goes on as if the object were gone leaves it for good.
        """
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", kind, kind.path(name, namespace), body)
        except NotFound:
            return
        except Conflict:
            live = await self.find(kind, name, namespace)
            if live is not None and live["metadata"]["uid"] == uid:
                raise

    async def _request(
        self,
        method: str,
        kind: Kind,
        path: str,
        body: Object | Sequence[Object] | None = None,
        query: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> Object:
        content_type, data = _media(method, body)
        if method != "GET" and kind is not LEASE and not self.may_write():
            raise ApiUnavailable(f"{method} {path}: not sent, because another replica may lead by now")
        try:
            request = await self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": accept, "Content-Type": content_type},
                body=data,
                auth_settings=["BearerToken"],
            )
            response = await self._api.call_api(*request, _request_timeout=REQUEST_TIMEOUT)
            text = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailable(f"the API server did not answer: {type(error).__name__}: {error}") from error
        if response.status >= 400:
            raise _error(response.status, f"{method} {path}", kind, text)
        try:
            answer: Object = orjson.loads(text)
        except ValueError as error:
            raise ApiUnavailable(f"{method} {path}: the answer is no JSON, so not the API server's") from error
        return answer


async def connect() -> Kubernetes:
    """A client with the pod's own ServiceAccount, or with the current kubeconfig context outside a cluster."""
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    configuration.retries = None
    # A session that trusts the environment reads ~/.netrc for each request, in a thread of its own: a fifth of what a
    # request costs, for credentials that must not go to the API server. It uses no proxy of the environment either.
    configuration.client_session_kwargs = {"trust_env": False}
    return Kubernetes(ApiClient(configuration))


def _media(method: str, body: Object | Sequence[Object] | None) -> tuple[str, Object | Sequence[Object] | bytes | None]:
    """The type of a body, and the body as the package is to have it."""
    if method != "PATCH":
        return "application/json", body
    if not isinstance(body, dict):  # a list can only be one of operations
        return "application/json-patch+json", body
    # Of its own accord the package would write JSON for this type as well; with a parameter it sends what it is given.
    return "application/apply-patch+yaml; charset=utf-8", yaml_of(body)


_BEYOND_16_BITS = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")


def yaml_of(body: Object) -> bytes:
    """JSON that is YAML as well: there the two escapes that JSON has for one emoji are an error.

    https://yaml.org/spec/1.2.2/#57-escaped-characters
    """
    return _BEYOND_16_BITS.sub(lambda pair: str(json.loads(f'"{pair[0]}"')), json.dumps(body)).encode()


def _error(status: int, request: str, kind: Kind, text: bytes) -> ApiError:
    # An answer about a Secret could quote a value of it.
    said = "the object is refused" if kind is SECRET and status in (400, 422) else _message(text)
    if status in _ERRORS:
        return _ERRORS[status](f"{request}: {said}")
    if status == 429 or status >= 500:
        return ApiUnavailable(f"{request}: the API server answered {status}: {said}")
    return ApiError(f"{request}: the API server answered {status}: {said}")


def _message(text: bytes) -> str:
    try:
        body: Any = json.loads(text)
    except ValueError:
        return text[:200].decode(errors="replace")
    return str(body.get("message", body) if isinstance(body, dict) else body)[:_LONGEST_MESSAGE]


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _path(kind: Kind, body: Object) -> str:
    metadata = body["metadata"]
    return kind.path(str(metadata["name"]), metadata.get("namespace"))
