"""As much of PostgreSQL's protocol as it takes to tell one statement from the next; pure.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.faults.calls import SQL

_ENDS_A_BATCH = (b"Q", b"S")
_SCHEMA = re.compile(r"ws_[0-9a-f]{24}")
_TENANTS = re.compile(r"agentos_[0-9a-f]{24}")
_COMMENT = re.compile(r"--[^\n]*")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_LONGEST = 60
ACTS = ("pg_terminate_backend", "lo_unlink")
"""What changes something although it is a query."""


@dataclass(frozen=True)
class Message:
    """One message; of the first of a connection, which has no type, ``kind`` is empty."""

    kind: bytes
    payload: bytes

    @property
    def raw(self) -> bytes:
        """As it travels."""
        return self.kind + (len(self.payload) + 4).to_bytes(4) + self.payload


class Reader:
    """Cuts a stream of bytes into messages."""

    def __init__(self, *, typed: bool) -> None:
        self._rest = b""
        self._typed = typed

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete with ``data``."""
        self._rest += data
        while True:
            start = 1 if self._typed else 0
            if len(self._rest) < start + 4:
                return
            end = start + int.from_bytes(self._rest[start : start + 4])
            if len(self._rest) < end:
                return
            message = Message(self._rest[:start], self._rest[start + 4 : end])
            self._rest = self._rest[end:]
            self._typed = True
            yield message


@dataclass
class Batches:
    """Gathers what a client sends until PostgreSQL is to answer: one statement, or several in one message."""

    messages: list[Message] = field(default_factory=list)
    _prepared: dict[bytes, str] = field(default_factory=dict)

    def add(self, message: Message) -> list[Message] | None:
        """The whole batch, once ``message`` ends it."""
        self.messages.append(message)
        if message.kind == b"P":
            name, text = message.payload.split(b"\0")[:2]
            self._prepared[name] = text.decode()
        if message.kind not in _ENDS_A_BATCH:
            return None
        batch, self.messages = self.messages, []
        return batch

    def text(self, batch: list[Message]) -> str:
        """The SQL of a batch; empty when it runs nothing."""
        for message in batch:
            if message.kind == b"Q":
                return message.payload.rstrip(b"\0").decode()
            if message.kind == b"B":
                return self._prepared.get(message.payload.split(b"\0")[1], "")
        return ""


def schema_in(batch: list[Message]) -> str | None:
    """The schema of the workspace that a batch is about, from its SQL or its parameters."""
    text = b"".join(message.payload for message in batch).decode(errors="replace")
    found = _SCHEMA.search(text)
    return found[0] if found else None


def label(text: str) -> str:
    """SQL in short, without what differs between two workspaces or what must stay secret."""
    if any(word in text for word in ACTS):
        return f"{SQL}CALL {next(word for word in ACTS if word in text)}"
    plain = _LITERAL.sub("'…'", _TENANTS.sub("ALL", _SCHEMA.sub("SCHEMA", _COMMENT.sub("", text))))
    if plain.lstrip().startswith(("SELECT", "WITH")):
        return f"{SQL}{' '.join(plain.split())[:_LONGEST]}"
    verbs = [" ".join(each.split()[:2]) for each in plain.split(";\n") if each.strip()]
    return f"{SQL}{', '.join(dict.fromkeys(verbs))}"


def error(sqlstate: str, *, fatal: bool) -> bytes:
    """ErrorResponse, and ReadyForQuery unless the connection ends with it."""
    severity = b"FATAL" if fatal else b"ERROR"
    fields = b"".join(
        code + value + b"\0"
        for code, value in ((b"S", severity), (b"V", severity), (b"C", sqlstate.encode()), (b"M", b"injected"))
    )
    ready = b"" if fatal else Message(b"Z", b"I").raw
    return Message(b"E", fields + b"\0").raw + ready
