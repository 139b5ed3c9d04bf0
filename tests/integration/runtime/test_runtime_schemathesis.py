"""Everything that the OpenAPI document offers, asked with generated requests and every scope: no answer is a failure.

The requests are the same in every run (`derandomize`), and few: what they found has a test of its own by now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from tests.integration.runtime.openapi import SCOPES, document

OFFERED_NOT = {501}
"""What a deployment does not have is answered 501 and is no failure."""
EXAMPLES = 3


SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]


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


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_generated_request_is_a_failure_of_the_runtime(
    operation: Any, runtime: Any, token: Callable[..., str]
) -> None:
    headers = {"Authorization": f"Bearer {token(scopes=SCOPES)}"}

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
        answer = case.call(base_url=runtime.url, headers=headers, timeout=30)
        assert answer.status_code < 500 or answer.status_code in OFFERED_NOT, (answer.status_code, answer.text)

    ask()
