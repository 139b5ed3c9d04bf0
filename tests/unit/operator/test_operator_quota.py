"""A profile and what a Workspace says itself add up to one quota, or to a sentence that says why not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agentos_operator import reasons
from agentos_operator.desired.quota import QuotaFault, merge_quota
from agentos_operator.resources.common import quantity
from agentos_operator.resources.workspace import QuotaSpec
from agentos_operator.settings import QuotaProfile, Settings

NOTHING = QuotaSpec("standard", None, {}, {})


@pytest.fixture
def standard(settings: Settings) -> QuotaProfile:
    return settings.quota.profiles["standard"]


def merged(spec: QuotaSpec, standard: QuotaProfile) -> QuotaProfile:
    found = merge_quota(spec, {"standard": standard})
    assert isinstance(found, QuotaProfile)
    return found


def test_a_workspace_that_says_nothing_gets_the_profile_as_it_is(standard: QuotaProfile) -> None:
    assert merged(NOTHING, standard) == standard


def test_a_single_number_replaces_its_own_and_no_other(standard: QuotaProfile) -> None:
    spec = QuotaSpec("standard", 3, {"cpu": "500m"}, {"memory": "32Gi"})
    quota = merged(spec, standard)
    assert quota.pods == 3
    assert (quota.requests.cpu, quota.requests.memory) == ("500m", standard.requests.memory)
    assert (quota.limits.cpu, quota.limits.memory) == (standard.limits.cpu, "32Gi")


def test_an_unknown_profile_names_those_that_there_are(standard: QuotaProfile) -> None:
    found = merge_quota(NOTHING, {"small": standard, "large": standard})
    assert isinstance(found, QuotaFault)
    assert found.reason == reasons.UNKNOWN_QUOTA_PROFILE
    assert "large, small" in found.message
    assert "standard" in found.message


@pytest.mark.parametrize(
    ("requests", "limits", "unit"),
    [
        ({"cpu": "8001m"}, {}, "requests.cpu is 8001m, more than limits.cpu, which is 8"),
        ({}, {"cpu": "1"}, "requests.cpu is 4"),
        ({"memory": "17Gi"}, {}, "requests.memory is 17Gi"),
        ({}, {"memory": "8G"}, "requests.memory is 8Gi, more than limits.memory, which is 8G"),
    ],
)
def test_more_requested_than_allowed_is_said_with_both_numbers(
    standard: QuotaProfile, requests: dict[str, str], limits: dict[str, str], unit: str
) -> None:
    found = merge_quota(QuotaSpec("standard", None, requests, limits), {"standard": standard})
    assert isinstance(found, QuotaFault)
    assert found.reason == reasons.INVALID_QUOTA
    assert unit in found.message


@pytest.mark.parametrize(
    ("text", "number"),
    [("4", "4"), ("500m", "0.5"), ("1.5", "1.5"), ("8Gi", "8589934592"), ("8G", "8000000000"), ("1k", "1000")],
)
def test_a_quantity_is_compared_by_its_value(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)
