"""The chart's quota profiles, as the operator reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentos_operator.desired.quota import merge_quota
from agentos_operator.resources.workspace import QuotaSpec
from agentos_operator.settings import QuotaProfile
from tests.unit.chart.conftest import HelmError
from tests.unit.chart.test_chart_render import configuration


@pytest.mark.parametrize("name", ["small", "standard", "large"])
def test_every_profile_is_free_of_contradictions(render: Any, tmp_path: Path, name: str) -> None:
    profiles = configuration(render(), tmp_path).quota.profiles
    assert isinstance(merge_quota(QuotaSpec(name, None, {}, {}), profiles), QuotaProfile)


def test_a_profile_of_ones_own_joins_those_of_the_chart(render: Any, tmp_path: Path) -> None:
    huge = {
        "pods": 900,
        "requests": {"cpu": "64", "memory": "256Gi"},
        "limits": {"cpu": "128", "memory": "512Gi"},
        "container": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
    }
    profiles = configuration(render({"quota": {"profiles": {"huge": huge}}}), tmp_path).quota.profiles
    assert profiles.keys() == {"small", "standard", "large", "huge"}
    assert profiles["huge"].limits.cpu == "128"


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        ({"standard": {"pods": 0}}, "pods"),
        ({"standard": {"limits": {"cpu": "eight"}}}, "cpu"),
        ({"standard": None}, "standard"),
        ({"small": {"requests": {"storage": "1Gi"}}}, "storage"),
        ({"Big": {}}, "Big"),
    ],
)
def test_a_wrong_profile_is_refused_with_its_name(render: Any, profiles: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError, match=said):
        render({"quota": {"profiles": profiles}})
