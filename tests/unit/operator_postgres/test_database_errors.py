"""What PostgreSQL says becomes a kind of error that a reader can act on, without anything secret."""

from __future__ import annotations

import psycopg
import pytest

from agentos_operator.clients.postgres import (
    DatabaseBusy,
    DatabaseError,
    DatabaseForbidden,
    DatabaseUnavailable,
)
from agentos_operator.clients.postgres.errors import connection_failure, redact, statement_failure

SECRETS = [
    ("ALTER ROLE a PASSWORD 'hunter2'", "hunter2"),
    ('syntax error at "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5"', "c2FsdA"),
    ("cannot parse postgresql://ws_a:hunter2@db:5432/agentos?sslmode=require", "hunter2"),
    ("cannot parse postgres://ws_a:hunter2@db/agentos", "hunter2"),
    ("invalid connection option host=db password=hunter2 user=a", "hunter2"),
    ("password: 'hunter2'", "hunter2"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_secrets_are_cut_out(text: str, secret: str) -> None:
    assert secret not in redact(text)


def test_what_is_no_secret_stays() -> None:
    text = 'FATAL:  password authentication failed for user "ws_a"'
    assert redact(text) == 'FATAL: password authentication failed for user "ws_a"'


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08006", DatabaseUnavailable),
        ("25006", DatabaseUnavailable),
        ("28P01", DatabaseForbidden),
        ("3D000", DatabaseForbidden),
        ("42501", DatabaseForbidden),
        ("0LP01", DatabaseForbidden),
        ("53300", DatabaseUnavailable),
        ("53100", DatabaseUnavailable),
        ("55P03", DatabaseBusy),
        ("2BP01", DatabaseBusy),
        ("57014", DatabaseUnavailable),
        ("57P03", DatabaseUnavailable),
        ("42601", DatabaseError),
    ],
)
def test_a_failed_statement_is_classified_by_its_sqlstate(state: str, kind: type[DatabaseError]) -> None:
    failure = statement_failure("default", psycopg.errors.lookup(state)("planted-text"))
    assert type(failure) is kind
    assert "server default" in str(failure)
    assert "planted-text" not in str(failure)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Connection refused", DatabaseUnavailable),
        ("FATAL:  the database system is starting up", DatabaseUnavailable),
        ("FATAL:  sorry, too many clients already", DatabaseUnavailable),
        ('FATAL:  too many connections for role "a"', DatabaseUnavailable),
        ("connection timeout expired", DatabaseUnavailable),
        ('FATAL:  password authentication failed for user "a"', DatabaseForbidden),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', DatabaseForbidden),
        ('FATAL:  database "x" does not exist', DatabaseForbidden),
        ('FATAL:  role "a" is not permitted to log in', DatabaseForbidden),
        ("SSL error: certificate verify failed", DatabaseForbidden),
    ],
)
def test_a_failed_connection_is_classified_by_its_text(text: str, kind: type[DatabaseError]) -> None:
    failure = connection_failure("default", "db:5432", psycopg.OperationalError(text))
    assert type(failure) is kind
    assert "server default at db:5432" in str(failure)
