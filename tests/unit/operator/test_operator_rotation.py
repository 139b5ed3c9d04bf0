"""The state machines of both rotations: from any stored state there is one way on, and whatever was spoiled heals."""

from __future__ import annotations

import itertools
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentos_operator.clients.postgres import Credential
from agentos_operator.database_names import database_names
from agentos_operator.naming import ROTATE_ANNOTATION, ROTATE_DATABASE_ANNOTATION, ROTATE_JWT_ANNOTATION
from agentos_operator.reconcile.stragglers import describe, straggling
from agentos_operator.resources.rotation import Wish, parse_duration, parse_rotation
from agentos_operator.rotation import keys as keys_module
from agentos_operator.rotation import logins as logins_module
from agentos_operator.rotation.keys import Keys, Phase, key_annotations, old_tokens_end, read_keys
from agentos_operator.rotation.logins import Logins, login_annotations, login_values, read_logins
from agentos_operator.rotation.schedule import Past, is_due, read_past, read_time, seconds_left, write_time

Object = dict[str, Any]
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
NAMES = database_names("acme", "6f1f7c1e-0000-4000-8000-000000000001")
NEVER = Wish(None, ())


@pytest.fixture
def make() -> Callable[[], Credential]:
    """Credentials numbered in the order of their making."""
    numbers = itertools.count(1)

    def new() -> Credential:
        number = next(numbers)
        return Credential(f"id-{number}", f"planted-password-{number}")

    return new


@pytest.fixture
def make_secret() -> Callable[[], str]:
    """Signing secrets numbered in the order of their making."""
    numbers = itertools.count(1)
    return lambda: f"planted-signing-secret-of-32-bytes-{next(numbers)}"


def secret(values: dict[str, str], annotations: dict[str, str]) -> Object:
    """A Secret as the API server returns it."""
    data = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"annotations": annotations}, "data": data}


def stored_logins(logins: Logins) -> Object:
    """What is in the Secret after ``logins`` were written."""
    values = {"username": logins.active, "password": logins.current.password, **login_values(logins)}
    return secret(values, dict(login_annotations(logins)))


def stored_keys(keys: Keys) -> Object:
    """What is in the Secret after ``keys`` were written."""
    values = {"secret": keys.signer, "verification-secrets": " ".join(keys.verifiers)}
    return secret(values, dict(key_annotations(keys)))


# The database login


def life_of_logins(make: Callable[[], Credential]) -> Iterator[Logins]:
    """Every state of one rotation in order."""
    logins = read_logins(None, NAMES, "", NEVER, NOW, make)
    yield logins
    for step in (
        lambda state: logins_module.stage(state, Wish(None, ("please",)), make),
        logins_module.switch,
        lambda state: logins_module.retire(state, NOW + timedelta(hours=1)),
    ):
        logins = step(logins)
        yield logins


def test_a_rotation_of_the_login_hands_out_the_other_role_and_loses_no_password_on_the_way(
    make: Callable[[], Credential],
) -> None:
    settled, staged, moving, ended = life_of_logins(make)
    a, b = NAMES.logins
    first, second = settled.current, moving.current
    assert first != second
    assert settled.credentials == {a: first, b: None}
    assert staged.credentials == moving.credentials == {a: first, b: second}
    assert (staged.active, moving.active) == (a, b)
    assert ended.credentials == {b: second, a: None}
    assert [state.under_way for state in (settled, staged, moving, ended)] == [False, True, True, False]
    assert ended.past == Past(NOW + timedelta(hours=1), ("please",))


def test_every_state_of_the_login_is_read_as_it_was_written(make: Callable[[], Credential]) -> None:
    for state in life_of_logins(make):
        assert read_logins(stored_logins(state), NAMES, "", NEVER, NOW + timedelta(hours=1), make) == state


def test_no_state_of_the_login_changes_when_a_step_of_another_state_is_taken(make: Callable[[], Credential]) -> None:
    for state in life_of_logins(make):
        if state.next is None:
            assert logins_module.switch(state) == state


def test_a_second_rotation_comes_back_to_the_first_role_with_a_third_password(make: Callable[[], Credential]) -> None:
    *_, ended = life_of_logins(make)
    again = logins_module.switch(logins_module.stage(ended, NEVER, make))
    assert again.active == NAMES.login_a
    assert again.current.id == "id-3"


def test_a_deleted_secret_is_made_again_for_the_login_in_use(make: Callable[[], Credential]) -> None:
    wish = Wish(timedelta(hours=1), ("please",))
    logins = read_logins(None, NAMES, NAMES.login_b, wish, NOW, make)
    assert logins.active == NAMES.login_b
    assert not logins.under_way
    assert not is_due(wish, logins.past, NOW), "what was just made need not be rotated"


SPOILED = {
    "no password": ({"password": ""}, {}),
    "a password that no role can have": ({"password": "p\u00e4ssword"}, {}),
    "no id of the password": ({}, {"agentos.hyvve.io/credentials-id": ""}),
    "a login that is none of ours": ({"username": "postgres"}, {}),
    "no login": ({"username": ""}, {}),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_secret_spoiled_in_the_middle_of_a_rotation_heals_and_the_rotation_ends(
    make: Callable[[], Credential], spoiled: str
) -> None:
    values, annotations = SPOILED[spoiled]
    _, _, moving, _ = life_of_logins(make)
    live = stored_logins(moving)
    live["data"] |= {key: b64encode(value.encode()).decode() for key, value in values.items()}
    live["metadata"]["annotations"] |= annotations
    logins = read_logins(live, NAMES, NAMES.login_b, NEVER, NOW, make)
    assert logins.active == NAMES.login_b
    assert logins.current.id == "id-3", "nobody knows the password, so there is a new one"
    assert logins.previous == moving.previous, "pods that have not moved keep their login"


def test_staged_and_previous_password_at_once_are_taken_for_a_login_that_pods_may_use(
    make: Callable[[], Credential],
) -> None:
    _, staged, moving, _ = life_of_logins(make)
    live = stored_logins(moving)
    live["data"]["next-password"] = stored_logins(staged)["data"]["next-password"]
    live["metadata"]["annotations"]["agentos.hyvve.io/next-credentials-id"] = "id-9"
    logins = read_logins(live, NAMES, "", NEVER, NOW, make)
    assert (logins.next, logins.previous) == (None, moving.previous)


# The signing secret


def life_of_keys(make_secret: Callable[[], str]) -> Iterator[Keys]:
    """Every state of one rotation in order."""
    keys = read_keys(None, NEVER, NOW, make_secret)
    yield keys
    for step in (
        lambda state: keys_module.add(state, Wish(None, ("please",)), make_secret),
        lambda state: keys_module.switch(state, NOW),
        keys_module.withdraw,
        lambda state: keys_module.finish(state, NOW),
    ):
        keys = step(keys)
        yield keys


def test_a_new_signing_secret_is_accepted_before_it_signs_and_the_old_one_after(
    make_secret: Callable[[], str],
) -> None:
    settled, adding, switched, clearing, ended = life_of_keys(make_secret)
    old, new = settled.signer, ended.signer
    assert old != new
    assert [state.signer for state in (settled, adding, switched, clearing)] == [old, old, new, new]
    accepted = [set(state.verifiers) for state in (settled, adding, switched, clearing, ended)]
    assert accepted == [{old}, {old, new}, {old, new}, {new}, {new}]
    assert ended.phase is Phase.SETTLED
    assert ended.past.handled == ("please",)


def test_pods_are_replaced_twice_in_a_rotation_of_the_signing_secret(make_secret: Callable[[], str]) -> None:
    lists = [state.verifiers for state in life_of_keys(make_secret)]
    assert len(list(itertools.groupby(lists))) - 1 == 2


def test_every_state_of_the_signing_secret_is_read_as_it_was_written(make_secret: Callable[[], str]) -> None:
    for state in life_of_keys(make_secret):
        assert read_keys(stored_keys(state), NEVER, NOW, make_secret) == state


def test_the_old_secret_is_accepted_until_the_last_token_of_a_slow_signer_has_expired(
    make_secret: Callable[[], str],
) -> None:
    settled, _, switched, *_ = life_of_keys(make_secret)
    end = old_tokens_end(switched, timedelta(hours=24))
    assert end is not None
    assert end > NOW + timedelta(hours=24)
    assert old_tokens_end(settled, timedelta(hours=24)) is None


@pytest.mark.parametrize("time", ["", "yesterday", "2036-01-01T00:00:00Z"])
def test_a_switch_of_unknown_age_waits_the_whole_time_again(make_secret: Callable[[], str], time: str) -> None:
    _, _, switched, *_ = life_of_keys(make_secret)
    live = stored_keys(switched)
    live["metadata"]["annotations"]["agentos.hyvve.io/signer-switched-at"] = time
    later = NOW + timedelta(hours=5)
    assert read_keys(live, NEVER, later, make_secret) == replace(switched, switched_at=later)


@pytest.mark.parametrize("signer", ["", "short", "two words that are together more than 32 bytes", "\n" * 40])
def test_an_unusable_signing_secret_is_replaced(make_secret: Callable[[], str], signer: str) -> None:
    _, adding, *_ = life_of_keys(make_secret)
    live = stored_keys(adding)
    live["data"]["secret"] = b64encode(signer.encode()).decode()
    keys = read_keys(live, NEVER, NOW, make_secret)
    assert keys.phase is Phase.SETTLED
    assert keys.verifiers == (keys.signer,)
    assert keys.signer not in adding.verifiers


def test_a_signing_secret_chosen_by_hand_is_accepted_alone(make_secret: Callable[[], str]) -> None:
    _, adding, *_ = life_of_keys(make_secret)
    live = stored_keys(adding)
    chosen = "planted-secret-of-somebody-with-32-bytes"
    live["data"]["secret"] = b64encode(chosen.encode()).decode()
    assert read_keys(live, NEVER, NOW, make_secret).verifiers == (chosen,)


# When


def test_a_credential_is_due_when_it_is_as_old_as_its_interval() -> None:
    past, wish = Past(NOW, ()), Wish(timedelta(hours=720), ())
    assert not is_due(wish, past, NOW + timedelta(hours=719, minutes=59))
    assert is_due(wish, past, NOW + timedelta(hours=720))
    assert seconds_left(wish, past, NOW) == 720 * 3600


def test_a_credential_without_an_interval_is_never_due_by_age() -> None:
    assert not is_due(NEVER, Past(NOW, ()), NOW + timedelta(days=36500))
    assert seconds_left(NEVER, Past(NOW, ()), NOW) is None


def test_a_request_begins_one_rotation_and_taking_it_back_none() -> None:
    past = Past(NOW, ("monday", "only-the-database"))
    assert is_due(Wish(None, ("tuesday",)), past, NOW)
    assert not is_due(Wish(None, ("monday",)), past, NOW)
    assert not is_due(Wish(None, ("only-the-database",)), past, NOW)
    assert not is_due(NEVER, past, NOW)


@pytest.mark.parametrize("handled", ["", "null", "{}", "[" * 100_000, '"text"'])
def test_a_spoiled_list_of_requests_counts_as_none(handled: str) -> None:
    assert read_past({"agentos.hyvve.io/handled-requests": handled}, NOW).handled == ()


def test_times_are_written_as_kubernetes_writes_them_and_read_back() -> None:
    assert write_time(NOW) == "2026-11-23T12:00:00Z"
    assert read_time(write_time(NOW), NOW) == NOW
    assert read_time("2026-11-23T12:04:00Z", NOW) is not None, "clocks differ"
    assert read_time("2026-11-23T12:06:00Z", NOW) is None
    assert read_time("2026-11-23", NOW) is None, "no time without a zone"
    assert read_time("monday", NOW) is None
    assert read_time("0001-01-01T00:00:00+23:59", NOW) is None, "it could not be written back"


def test_a_workspace_asks_by_annotation_for_both_credentials_or_for_one() -> None:
    body: Object = {
        "metadata": {
            "annotations": {
                ROTATE_ANNOTATION: " both ",
                ROTATE_DATABASE_ANNOTATION: "x" * 1000,
                ROTATE_JWT_ANNOTATION: "",
            }
        },
        "spec": {"database": {"rotation": {"interval": "1h30m"}}, "auth": {"maxTokenLifetime": "90s", "rotation": {}}},
    }
    spec = parse_rotation(body)
    assert spec.database == Wish(timedelta(minutes=90), ("both", "x" * 253))
    assert spec.jwt == Wish(None, ("both",))
    assert spec.max_token_lifetime == timedelta(seconds=90)
    assert parse_duration("720h") == timedelta(days=30)


# Who has not moved


def pod(identifier: str | None, *, instance: str = "support", **more: Any) -> Object:
    """A runtime's pod that was started with these credentials."""
    annotations = {} if identifier is None else {"agentos.hyvve.io/database-credentials-id": identifier}
    labels = {"app.kubernetes.io/instance": instance}
    return {"metadata": {"annotations": annotations, "labels": labels, **more}, "status": {"phase": "Running"}}


def test_a_pod_counts_until_it_has_ended_not_only_until_it_is_told_to() -> None:
    leaving = pod("old", deletionTimestamp="2026-11-23T12:00:00Z")
    ended = {**pod("old"), "status": {"phase": "Succeeded"}}
    pods = [pod("new"), leaving, ended, pod(None)]
    assert straggling(pods, "database-credentials", "new") == [leaving]


def test_the_message_names_the_deployments_and_why_they_do_not_follow() -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "ImagePullFailed", "message": ""}]
    deployments = [{"metadata": {"name": "sales"}, "status": {"conditions": conditions}}]
    text = describe([pod("old"), pod("old", instance="sales"), pod("old")], deployments)
    assert text == "sales (1 pod; the AgentDeployment is not ready: ImagePullFailed), support (2 pods)"


def test_the_message_about_many_deployments_stays_short() -> None:
    text = describe([pod("old", instance=f"agent-{number}") for number in range(9)], [])
    assert text.endswith("and 4 more deployments")
