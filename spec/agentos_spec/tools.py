"""What an agent or a team may call: toolkits of agno, MCP servers, and HTTP APIs."""

from __future__ import annotations

import re
from typing import Any

from agentos_spec.arguments import SecretRef
from agentos_spec.kinds import Choice
from agentos_spec.model import BasicAuth, McpServerSpec, OpenApiSpec, ToolkitSpec, ToolSpec
from agentos_spec.models import parse_secret
from agentos_spec.node import Node
from agentos_spec.operations import choose

CONFIG_MAP = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
CONFIG_MAP_KEY = r"(?!\.\.?$)[A-Za-z0-9._-]{1,253}"
_TOOLKIT = r"[a-z0-9][a-z0-9_]{0,62}"
_SERVER = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
_PREFIX = r"[a-z][a-z0-9_]{0,31}"
_HEADER = r"[A-Za-z0-9-]{1,128}"
_URL = r"https?://[^\s/?#@]+[^\s?#@]*"
_WAITING = ("requiresConfirmation", "requiresApproval")
_STARTED = frozenset({"command", "server_params"})
"""Options by which agno's MCP toolkits start a server of their own (stdio)."""


def parse_tools(node: Node) -> tuple[ToolSpec, ...]:
    """`tools` of an agent or a team."""
    tools = tuple(_tool(item) for item in node.items(at_most=32))
    seen: set[tuple[type[ToolSpec], str]] = set()
    for tool in tools:
        if (type(tool), tool.name) in seen:
            node.fail(f"two entries have the name {tool.name!r}; leave one out, or give each server its own")
        seen.add((type(tool), tool.name))
    return tools


def _tool(node: Node) -> ToolSpec:
    if isinstance(node.value, dict) and "mcp" in node.value:
        return _server(node)
    if isinstance(node.value, dict) and "openapi" in node.value:
        return _api(node)
    have = node.fields(["toolkit"], ["options", *_WAITING])
    name = have["toolkit"].name(_TOOLKIT, "the name of a toolkit of agno, e.g. 'calculator'")
    if name == "mcp":
        have["toolkit"].fail("MCP servers have an entry of their own, such as {mcp: {name: docs, url: ...}}")
    options = have["options"].values() if "options" in have else {}
    if name == "mcp_toolbox" and (started := _STARTED & options.keys()):
        have["options"].fail(f"{min(started)} would start a program in the pod; give the url of a running toolbox")
    return ToolkitSpec(
        name=name,
        options=options,
        requires_confirmation=_texts(have.get("requiresConfirmation")),
        requires_approval=_texts(have.get("requiresApproval")),
        path=node.path,
    )


def _server(node: Node) -> McpServerSpec:
    outer = node.fields(["mcp"], _WAITING)
    optional = ["transport", "headers", "includeTools", "excludeTools", "timeoutSeconds", "toolNamePrefix"]
    have = outer["mcp"].fields(["name", "url"], optional)
    return McpServerSpec(
        name=have["name"].name(_SERVER, "a lower-case name of letters, digits and '-'"),
        url=_url(have["url"]),
        transport=_transport(have["transport"]) if "transport" in have else "streamable-http",
        headers=_headers(have["headers"]) if "headers" in have else {},
        include_tools=_texts(have.get("includeTools")),
        exclude_tools=_texts(have.get("excludeTools")),
        timeout_seconds=have["timeoutSeconds"].integer(1, 300) if "timeoutSeconds" in have else 10,
        tool_name_prefix=_prefix(have["toolNamePrefix"]) if "toolNamePrefix" in have else None,
        requires_confirmation=_texts(outer.get("requiresConfirmation")),
        requires_approval=_texts(outer.get("requiresApproval")),
        path=node.path,
    )


def _api(node: Node) -> OpenApiSpec:
    outer = node.fields(["openapi"], _WAITING)
    lists = ["includeOperations", "excludeOperations"]
    credentials = ["headers", "bearerTokenSecretRef", "basicAuth"]
    bounds = ["timeoutSeconds", "maxResponseBytes"]
    have = outer["openapi"].fields(["name", "baseURL", "document"], [*credentials, *lists, *bounds, "toolNamePrefix"])
    api = OpenApiSpec(
        name=have["name"].name(_SERVER, "a lower-case name of letters, digits and '-'"),
        base_url=_url(have["baseURL"]).rstrip("/"),
        **_document(have["document"]),
        **_credentials(outer["openapi"], have),
        include_operations=_texts(have.get("includeOperations")),
        exclude_operations=_texts(have.get("excludeOperations")),
        timeout_seconds=have["timeoutSeconds"].integer(1, 300) if "timeoutSeconds" in have else 10,
        max_response_bytes=have["maxResponseBytes"].integer(256, 2**20) if "maxResponseBytes" in have else 64 * 1024,
        tool_name_prefix=_prefix(have["toolNamePrefix"]) if "toolNamePrefix" in have else None,
        requires_confirmation=_texts(outer.get("requiresConfirmation")),
        requires_approval=_texts(outer.get("requiresApproval")),
        path=node.path,
    )
    if api.inline is not None:
        choose(api, api.inline)  # what is wrong with it is told before a pod is
    return api


def _document(node: Node) -> dict[str, Any]:
    have = node.fields([], ["configMap", "inline"])
    if len(have) != 1:
        node.fail("give exactly one of configMap and inline")
    if "inline" in have:
        return {"inline": have["inline"].values()}
    inner = have["configMap"].fields(["name", "key"])
    return {
        "config_map": inner["name"].name(CONFIG_MAP, "the name of a ConfigMap"),
        "key": inner["key"].name(CONFIG_MAP_KEY, "a key of a ConfigMap"),
    }


def _credentials(node: Node, have: dict[str, Node]) -> dict[str, Any]:
    headers = _headers(have["headers"]) if "headers" in have else {}
    ways: list[str] = [field for field in ("bearerTokenSecretRef", "basicAuth") if field in have]
    ways += ["a header Authorization"] if "authorization" in map(str.lower, headers) else []
    if len(ways) > 1:
        node.fail(f"{' and '.join(ways)} are both sent as the header Authorization; leave one out")
    return {
        "headers": headers,
        "bearer": parse_secret(have["bearerTokenSecretRef"]) if "bearerTokenSecretRef" in have else None,
        "basic": _basic(have["basicAuth"]) if "basicAuth" in have else None,
    }


def _basic(node: Node) -> BasicAuth:
    have = node.fields(["username", "passwordSecretRef"])
    username = have["username"].untold(r"[^:\x00-\x1f\x7f]{1,255}", "a user's name, which holds no ':'")
    return BasicAuth(username, parse_secret(have["passwordSecretRef"]))


def _url(node: Node) -> str:
    """Not told when it is refused: it may hold a password."""
    text = node.text()
    if not re.fullmatch(_URL, text):
        node.fail("must be an http or https URL without user, query and fragment; credentials go into headers")
    return text


def _transport(node: Node) -> str:
    if node.value == "stdio":
        node.fail("stdio would start a program in the pod; run the server as a Service of its own and give its url")
    return Choice(("streamable-http", "sse")).read(node)


def _prefix(node: Node) -> str:
    return node.name(_PREFIX, "lower-case letters, digits and '_'")


def _headers(node: Node) -> dict[str, str | SecretRef]:
    headers: dict[str, str | SecretRef] = {}
    for item in node.items(at_most=16):
        have = item.fields(["name"], ["value", "secretKeyRef"])
        if ("value" in have) == ("secretKeyRef" in have):
            item.fail("give exactly one of value and secretKeyRef")
        name = have["name"].untold(_HEADER, "the name of a header, e.g. 'Authorization'")
        if name.lower() in (known.lower() for known in headers):
            item.fail(f"header {name!r} is given twice; leave one out")
        headers[name] = _header(item, name, have["value"]) if "value" in have else parse_secret(have["secretKeyRef"])
    return headers


def _header(node: Node, name: str, given: Node) -> str:
    """The runtime says the same of a value that stands in a Secret."""
    value = given.text()
    if not (value.isascii() and value.isprintable()):
        node.fail(f"the value of header {name!r} holds what a header cannot, such as a line break; change it")
    return value


def _texts(node: Node | None) -> tuple[str, ...]:
    return tuple(item.text() for item in node.items()) if node is not None else ()
