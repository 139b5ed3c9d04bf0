"""Names in PostgreSQL are short, opaque and never shared."""

from __future__ import annotations

import re

import pytest

from agentos_operator.database_names import DatabaseNames, database_names, tenants_role

UID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
PATTERN = re.compile(r"[a-z][a-z0-9_]{0,40}")


def every_name(names: DatabaseNames) -> list[str]:
    return [names.schema, *names.roles]


@pytest.mark.parametrize("workspace", ["a", "acme", "a" * 30, "a-b", "é" * 100, 'x"; DROP SCHEMA public; --'])
def test_every_name_needs_no_quotes_and_is_never_cut(workspace: str) -> None:
    for name in [*every_name(database_names(workspace, UID)), tenants_role(workspace)]:
        assert PATTERN.fullmatch(name)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a-b", UID), ("a_b", UID)),
        (("a-b", UID), ("a.b", UID)),
        (("a" * 63 + "x", UID), ("a" * 63 + "y", UID)),
        (("ab", "c"), ("a", "bc")),
        (("acme", UID), ("acme", UID.replace("6", "7"))),
    ],
    ids=["hyphen", "dot", "long prefix", "boundary", "recreated"],
)
def test_alike_workspaces_share_no_name(first: tuple[str, str], second: tuple[str, str]) -> None:
    assert not set(every_name(database_names(*first))) & set(every_name(database_names(*second)))


def test_names_stay_the_same_between_releases() -> None:
    """Other names would leave every existing workspace's data behind."""
    names = database_names("acme", UID)
    assert names == DatabaseNames(
        database="ws_e2a58916756c2f6c31346ab6",
        schema="ws_e2a58916756c2f6c31346ab6",
        owner="ws_e2a58916756c2f6c31346ab6_owner",
        login_a="ws_e2a58916756c2f6c31346ab6_a",
        login_b="ws_e2a58916756c2f6c31346ab6_b",
    )


def test_a_name_does_not_tell_the_customer() -> None:
    assert all("acme" not in name for name in every_name(database_names("acme", UID)))


@pytest.mark.parametrize(("workspace", "uid"), [("", UID), ("acme", "")])
def test_a_workspace_without_identity_has_no_database(workspace: str, uid: str) -> None:
    with pytest.raises(ValueError, match="uid"):
        database_names(workspace, uid)


def test_two_databases_of_one_server_have_different_tenants() -> None:
    assert tenants_role("staging") != tenants_role("production")
