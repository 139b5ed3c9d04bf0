"""Versions of PostgreSQL and pgvector with known faults are warned about, with the version to update to."""

from __future__ import annotations

from typing import Any

import pytest

from agentos_operator.clients.postgres.hardening import database_warnings, server_warnings


def server(version: int, **changes: Any) -> dict[str, Any]:
    """A hardened server as the catalog shows it; ``version`` is its server_version_num."""
    return {"version": version, "superuser": False, "open_databases": [], **changes}


def database(vector: str | None) -> dict[str, Any]:
    """A hardened database that has this version of pgvector where it belongs."""
    marker = "agentos.hyvve.io/extensions"
    common = {"public_on_public": [], "ext_exists": True, "ext_comment": marker, "vector_schema": "ext"}
    return {**common, "vector_available": vector, "vector_installed": vector}


@pytest.mark.parametrize(
    ("version", "wanted"),
    [(150017, "15.18"), (160015, "16.16"), (170011, "17.12"), (180006, "18.7")],
)
def test_a_minor_release_with_known_faults_names_the_first_without(version: int, wanted: str) -> None:
    warnings = list(server_warnings(server(version)))
    assert any("known vulnerabilities" in each and f"update to {wanted} or later" in each for each in warnings)


@pytest.mark.parametrize("version", [160016, 170012, 180007, 190000])
def test_a_server_without_known_faults_is_not_warned_about(version: int) -> None:
    assert list(server_warnings(server(version))) == []


def test_a_server_on_which_createrole_is_as_good_as_superuser_is_warned_about_however_new_its_minor() -> None:
    (warning,) = server_warnings(server(150099))
    assert "use 16 or later" in warning


@pytest.mark.parametrize(("version", "warned"), [("0.8.1", True), ("0.5.0", True), ("0.8.2", False), ("0.10.0", False)])
def test_a_pgvector_with_known_faults_is_warned_about(version: str, warned: bool) -> None:
    warnings = list(database_warnings(database(version)))
    assert bool(warnings) is warned
    assert all("install 0.8.2 or later" in each for each in warnings)
