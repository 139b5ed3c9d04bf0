"""Everything that the OpenAPI document offers, asked with generated requests and every scope: no answer is a failure.

The requests are the same in every run (`derandomize`), and few: what they found has a test of its own by now.
"""

# ruff: noqa: PLC0415 - every worker imports this module, and one runs it: what takes seconds is left to that one

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.integration.runtime.openapi import SCOPES, document

OFFERED_NOT = {501}
"""What a deployment does not have is answered 501 and is no failure."""
EXAMPLES = 3


@pytest.fixture(scope="module")
def runtime(
    tmp_path_factory: pytest.TempPathFactory,
    runtime_of: Callable[..., AbstractContextManager[tuple[Any, Any]]],
    pgvector: Any,
    a_knowledge: Callable[..., dict[str, Any]],
) -> Iterator[Any]:
    """A runtime that has what a document may declare."""
    folder = tmp_path_factory.mktemp("everything")
    with runtime_of(folder, bodies=[a_knowledge()], knowledge="handbook") as (process, _):
        yield process


def test_no_generated_request_is_a_failure_of_the_runtime(runtime: Any, token: Callable[..., str]) -> None:
    import schemathesis
    from schemathesis.core.result import Ok

    headers = {"Authorization": f"Bearer {token(scopes=SCOPES)}"}
    found = schemathesis.openapi.from_dict(document()).get_all_operations()
    operations = [each.ok() for each in found if isinstance(each, Ok)]
    assert len(operations) > 100
    failures = {each.label: failure for each in operations if (failure := failure_of(each, runtime.url, headers))}
    assert failures == {}


def failure_of(operation: Any, url: str, headers: dict[str, str]) -> str:
    """The first answer to a generated request that is a failure; empty where there is none."""
    from hypothesis import HealthCheck, Phase, given, settings

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        answer = case.call(base_url=url, headers=headers, timeout=30)
        assert answer.status_code < 500 or answer.status_code in OFFERED_NOT, (answer.status_code, answer.text)

    try:
        ask()
    except AssertionError as error:
        return str(error)
    return ""
