"""Stands between the operator and PostgreSQL and lets faults happen to single statements."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from tests.faults.catalogue import Fault, SqlFault, WatchFault
from tests.faults.pgwire import Batches, Message, Reader, error, label, schema_in

if TYPE_CHECKING:
    from local.postgres import PostgresProcess

_BUFFER = 65536
Meet = Callable[[str, str], Fault | None]
"""The fault of a statement, by schema and label."""


class PostgresProxy:
    """Forwards every statement, unless it meets a fault."""

    def __init__(self, postgres: PostgresProcess, meet: Meet, strike: Callable[[Fault], None]) -> None:
        self.meet = meet
        self.strike = strike
        self._postgres = postgres
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        """Where the operator finds it."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> PostgresProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        address = ("127.0.0.1", self._postgres.port)
        with client, suppress(OSError), socket.create_connection(address) as server:
            _Conversation(self, client, server).run()


class _Conversation:
    """One connection."""

    def __init__(self, proxy: PostgresProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._asked, self._answered = Reader(typed=False), Reader(typed=True)
        self._batches = Batches()
        self._logged_in = False
        self._awaited: list[Fault] = []
        """Faults that happen once the answers that are under way are complete."""

    def run(self) -> None:
        """Pass on what both sides say, until one of them or a fault ends it."""
        # Not select(), which takes no descriptor beyond 1,023: the whole suite in one run comes to have more.
        with selectors.DefaultSelector() as both:
            both.register(self._client, selectors.EVENT_READ, self._ask)
            both.register(self._server, selectors.EVENT_READ, self._answer)
            while True:
                for side, _ in both.select():
                    data = os.read(side.fd, _BUFFER)
                    if not data or not side.data(data):
                        return

    def _ask(self, data: bytes) -> bool:
        """Pass on what the operator sends; whether the connection goes on."""
        return all(self._pass(message) for message in self._asked.feed(data))

    def _pass(self, message: Message) -> bool:
        if not self._logged_in or message.kind == b"X":
            self._server.sendall(message.raw)
            return True
        batch = self._batches.add(message)
        if batch is None:
            return True
        fault = self._fault(batch)
        if fault is not None and not isinstance(fault, WatchFault):
            if not fault.happens:
                return self._refuse(fault)
            self._awaited.append(fault)
        self._server.sendall(b"".join(each.raw for each in batch))
        return True

    def _fault(self, batch: list[Message]) -> Fault | None:
        text, schema = self._batches.text(batch), schema_in(batch)
        return self._proxy.meet(schema, label(text)) if text and schema else None

    def _refuse(self, fault: Fault) -> bool:
        self._proxy.strike(fault)
        if not isinstance(fault, SqlFault) or fault.sqlstate is None:
            return False
        self._client.sendall(error(fault.sqlstate, fatal=fault.fatal))
        return not fault.fatal

    def _answer(self, data: bytes) -> bool:
        """Pass on what PostgreSQL answers, or lose it; whether the connection goes on."""
        for message in self._answered.feed(data):
            if message.kind == b"Z":
                self._logged_in = True
                if self._awaited:
                    fault = self._awaited.pop()
                    self._proxy.strike(fault)
                    time.sleep(fault.delay if isinstance(fault, SqlFault) else 0)
                    return False
            if not self._awaited:
                self._client.sendall(message.raw)
        return True
