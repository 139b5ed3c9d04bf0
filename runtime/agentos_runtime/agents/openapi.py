"""HTTP APIs as tools: each operation of an OpenAPI document is one function, and a call of it one request.

The spec says where requests go and who is asked for; the document only how a request looks, and the model only its
arguments. So no argument and no document leads a request, and the credentials in it, to another host: redirects are
answers, arguments in a path are encoded, and nothing of the pod itself or of its cloud is called. What goes wrong is
told to the model, which can do better; no credential is in what it is told.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agno.tools.function import Function
from agno.tools.toolkit import Toolkit

from agentos_runtime.agents.api_client import ApiClient
from agentos_runtime.agents.api_requests import build_request
from agentos_runtime.agents.compile import ReadSecret
from agentos_runtime.agents.headers import read_headers, sendable
from agentos_runtime.errors import Reason, StartupError
from agentos_spec import OpenApiSpec, SecretRef
from agentos_spec.operations import Operation, choose, read_document


def compile_api(spec: OpenApiSpec, read_secret: ReadSecret, config_maps: Path, *, laptop: bool) -> Toolkit:
    """The tools of a spec; a SpecError or StartupError where its document does not fit. Nothing is asked yet."""
    document = spec.inline if spec.inline is not None else _document(spec, config_maps)
    secrets: list[str] = []

    def noting(ref: SecretRef, path: str) -> str:
        secrets.append(read_secret(ref, path))
        return secrets[-1]

    headers = _headers(spec, noting)
    secrets += [secret.partition(" ")[2] for secret in (*secrets, headers.get("Authorization", ""))]
    client = ApiClient(spec, headers, secrets, laptop=laptop)
    toolkit = Toolkit(name=spec.name)
    for operation in choose(spec, document):
        function = _function(spec, operation, client)
        toolkit.functions[function.name] = function
    return toolkit


def _document(spec: OpenApiSpec, config_maps: Path) -> Mapping[str, Any]:
    """From the directory that has a directory for each ConfigMap, and a file for each key."""
    where = f"{spec.path}.openapi.document: the key {spec.key} of the ConfigMap {spec.config_map}"
    try:
        return read_document((config_maps / spec.config_map / spec.key).read_bytes())
    except OSError as error:
        message = f"{where} cannot be read ({type(error).__name__}); add it, or correct the reference"
        raise StartupError(Reason.INVALID_SPEC, message) from error
    except ValueError as error:
        raise StartupError(Reason.INVALID_SPEC, f"{where} {error}") from error


def _function(spec: OpenApiSpec, operation: Operation, client: ApiClient) -> Function:
    waits = operation.id in (*spec.requires_confirmation, *spec.requires_approval)

    async def call(**arguments: Any) -> str:
        try:
            request = build_request(operation, arguments)
        except ValueError as error:
            return f"The call was not sent: {error}."
        return await client.send(request)

    return Function(
        name=spec.called(operation.id),
        description=operation.description,
        parameters=dict(operation.schema),
        entrypoint=call,
        skip_entrypoint_processing=True,
        requires_confirmation=waits,
        approval_type="required" if waits else None,
    )


def _headers(spec: OpenApiSpec, read_secret: ReadSecret) -> dict[str, str]:
    """What is sent with every request, by which the API knows who asks."""
    path = f"{spec.path}.openapi"
    headers = read_headers(spec.headers, path, read_secret)
    if spec.bearer:
        where = f"{path}.bearerTokenSecretRef"
        headers["Authorization"] = sendable("Authorization", f"Bearer {read_secret(spec.bearer, where)}", where)
    if spec.basic:
        password = read_secret(spec.basic.password, f"{path}.basicAuth.passwordSecretRef")
        pair = base64.b64encode(f"{spec.basic.username}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    return headers
