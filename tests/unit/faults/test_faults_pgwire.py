"""What the proxy to PostgreSQL makes of bytes: where a statement ends, whose it is and what it is called."""

from __future__ import annotations

import pytest

from tests.faults.pgwire import Batches, Message, Reader, error, label, schema_in

SCHEMA = "ws_3ae7b932a5899bf0ef56b02d"


def parse(name: bytes, text: bytes) -> Message:
    return Message(b"P", name + b"\0" + text + b"\0\0\0")


def bind(statement: bytes, value: bytes) -> Message:
    return Message(b"B", b"\0" + statement + b"\0" + value)


SYNC = Message(b"S", b"")


def test_messages_are_found_however_the_bytes_arrive() -> None:
    sent = [Message(b"", b"startup"), Message(b"Q", b"SELECT 1\0"), SYNC]
    raw = b"".join(message.raw for message in sent)
    reader = Reader(typed=False)
    found = [message for byte in raw for message in reader.feed(bytes([byte]))]
    assert found == sent


def test_a_batch_ends_where_postgresql_has_to_answer() -> None:
    batches = Batches()
    assert batches.add(parse(b"", b"SELECT 1")) is None
    assert batches.add(bind(b"", b"")) is None
    batch = batches.add(SYNC)
    assert batch is not None
    assert batches.text(batch) == "SELECT 1"


def test_a_prepared_statement_is_known_when_it_is_run_again() -> None:
    batches = Batches()
    for message in (parse(b"once", b"SELECT 2"), SYNC):
        batches.add(message)
    batches.add(bind(b"once", SCHEMA.encode()))
    batch = batches.add(SYNC)
    assert batch is not None
    assert (batches.text(batch), schema_in(batch)) == ("SELECT 2", SCHEMA)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"CREATE ROLE {SCHEMA}_a;\nCREATE ROLE {SCHEMA}_b;\nCOMMENT ON ROLE x IS 'y'", "SQL CREATE ROLE, COMMENT ON"),
        (f"SELECT FROM {SCHEMA}.notes\n  WHERE text = 'it''s'", "SQL SELECT FROM SCHEMA.notes WHERE text = '…'"),
        ("WITH s AS (SELECT 1) SELECT pg_terminate_backend(1) FROM s", "SQL CALL pg_terminate_backend"),
    ],
    ids=["several statements", "a query", "a query that acts"],
)
def test_what_a_statement_is_called(text: str, said: str) -> None:
    assert label(text) == said


def test_after_an_error_the_connection_goes_on_and_after_a_fatal_one_it_does_not() -> None:
    reader = Reader(typed=True)
    assert [message.kind for message in reader.feed(error("53200", fatal=False))] == [b"E", b"Z"]
    assert [message.kind for message in reader.feed(error("57P01", fatal=True))] == [b"E"]
