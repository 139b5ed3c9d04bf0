"""Headers that a spec has sent to a server of tools: by value, or from a Secret."""

from __future__ import annotations

from collections.abc import Mapping

from agentos_runtime.agents.compile import ReadSecret
from agentos_runtime.errors import Reason, StartupError
from agentos_spec import SecretRef


def read_headers(given: Mapping[str, str | SecretRef], path: str, read_secret: ReadSecret) -> dict[str, str]:
    """All of them with their values; `path` is that of the field `headers` without its name."""
    headers: dict[str, str] = {}
    for place, (name, value) in enumerate(given.items()):
        where = f"{path}.headers[{place}]"
        text = value if isinstance(value, str) else read_secret(value, f"{where}.secretKeyRef")
        headers[name] = sendable(name, text, where)
    return headers


def sendable(name: str, value: str, where: str) -> str:
    """The value, if a header can hold it; it is not told where not."""
    if not (value.isascii() and value.isprintable()):
        message = f"{where}: the value of header {name!r} holds what a header cannot, such as a line break; change it"
        raise StartupError(Reason.INVALID_SPEC, message)
    return value
