"""Passwords, verifiers and connection URIs, without a server."""

from __future__ import annotations

import base64
import dataclasses
import hmac
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict

from agentos_operator.clients.postgres import Credential, DatabaseError, ServerSettings, new_credential
from agentos_operator.clients.postgres.credentials import scram_verifier
from agentos_operator.clients.postgres.settings import login_url

SETTINGS = ServerSettings("default", "db.example.com", 5432, "agentos", "verify-full", Path("/nowhere"))


def test_the_verifier_answers_the_exchange_of_rfc_7677() -> None:
    """Section 3 of the RFC gives user, password, salt and every message of one login."""
    verifier = scram_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    scheme, parameters, keys = verifier.split("$")
    server_key = base64.b64decode(keys.split(":")[1])
    messages = (
        "n=user,r=rOprNGfwEbeRWgbNEkqO,"
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    signature = base64.b64encode(hmac.digest(server_key, messages.encode(), "sha256")).decode()
    assert (scheme, parameters) == ("SCRAM-SHA-256", "4096:W22ZaJ0SNY7soEsUEjb6gQ==")
    assert signature == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_same_password_has_another_verifier_each_time() -> None:
    assert scram_verifier("pencil") != scram_verifier("pencil")


@pytest.mark.parametrize("password", ["", "pässword", "tab\there", "line\n", "nul\0"])
def test_a_password_that_would_need_preparation_is_refused_without_being_shown(password: str) -> None:
    with pytest.raises(DatabaseError, match="printable ASCII") as refused:
        scram_verifier(password)
    assert not password or password not in str(refused.value)


def test_credentials_differ_and_do_not_show_themselves() -> None:
    first, second = new_credential(), new_credential()
    assert first.id != second.id
    assert first.password != second.password
    assert len(first.password) >= 32
    assert first.password not in repr(first)


@pytest.mark.parametrize("password", ["simple", "p@ss:w/rd?#[]% &='\"\\", "-_"])
def test_libpq_reads_every_password_back_from_the_uri(password: str) -> None:
    uri = login_url(SETTINGS, "ws_x_a", password)
    parsed = conninfo_to_dict(uri)
    assert parsed == {
        "user": "ws_x_a",
        "password": password,
        "host": "db.example.com",
        "port": "5432",
        "dbname": "agentos",
        "sslmode": "verify-full",
    }
    assert unquote(urlsplit(uri).password or "") == password


def test_a_server_with_authorities_of_its_own_is_verified_by_the_file_that_pods_mount() -> None:
    settings = dataclasses.replace(SETTINGS, ca_file=Path("/etc/agentos-operator/ca/default/ca.crt"))
    uri = login_url(settings, "r", "p")
    assert uri.endswith("?sslmode=verify-full&sslrootcert=/etc/agentos-database/ca.crt")
    assert conninfo_to_dict(uri)["sslrootcert"] == "/etc/agentos-database/ca.crt"


def test_an_ipv6_address_is_bracketed() -> None:
    settings = ServerSettings("default", "fd00::1", 5432, "agentos", "require", Path("/nowhere"))
    assert conninfo_to_dict(login_url(settings, "r", "p"))["host"] == "fd00::1"


def test_a_credential_is_compared_by_value() -> None:
    assert Credential("1", "a") == Credential("1", "a")
