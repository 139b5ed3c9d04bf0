"""The generator makes what the schemas ask for, a fault is one, and what is shown of a failure is the least of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agentosctl.schema import schema_problems, schemas
from tests.generated.documents import resource, schema_of, spec_of
from tests.generated.faults import fault_of
from tests.generated.forms import compiled, stretched, text_of
from tests.generated.report import Report
from tests.generated.shrinking import shrunk

KINDS = pytest.mark.parametrize("kind", ["Workspace", "AgentDeployment"])
PATTERNS = (
    *(r"^[a-z]([a-z0-9-]*[a-z0-9])?$", r"^[1-9][0-9]{0,4}(ms|s|min)$", r"^https?://[^\s/?#@]+[^\s?#@]*$"),
    *(r"^ws_[0-9a-f]{24}$", r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$", r"^\s*a.b\s*$"),
)


@KINDS
def test_hardly_a_spec_is_none(kind: str) -> None:
    """Of those that the schema refuses nothing would be learnt of what comes after it."""
    found = [[*schema_problems(resource(kind, spec_of(kind, Random(seed))), schemas()[kind])] for seed in range(200)]
    assert sum(map(bool, found)) < 10, [problems[0] for problems in found if problems]


@KINDS
def test_a_number_makes_the_same_spec_again_and_most_make_another(kind: str) -> None:
    made = [json.dumps(spec_of(kind, Random(seed))) for seed in range(100)]
    assert made == [json.dumps(spec_of(kind, Random(seed))) for seed in range(100)]
    assert len(set(made)) > 80


@KINDS
def test_a_fault_changes_the_spec_in_one_place_and_leaves_the_good_one_alone(kind: str) -> None:
    for seed in range(100):
        r = Random(seed)
        spec = spec_of(kind, r)
        before = json.dumps(spec)
        fault = fault_of(spec, schema_of(kind), r)
        assert json.dumps(fault.put_into(spec)) != before == json.dumps(spec)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_texts_have_the_form_that_they_were_made_of_and_so_have_the_longest(pattern: str) -> None:
    for seed in range(50):
        found = text_of(pattern, Random(seed))
        assert re.search(pattern, found)
        assert compiled(pattern).search(stretched(found, 40, pattern))


def test_the_end_of_a_pattern_is_the_end_and_not_the_place_before_a_line_break() -> None:
    assert compiled("^a$").search("a\n") is None


def test_only_what_a_failure_needs_is_shown_of_its_spec() -> None:
    spec = {"agents": [{"id": "a", "name": "x"}, {"id": "b", "tools": [1, 2]}], "replicas": 3}

    def fails(less: Any) -> bool:
        return any(2 in each.get("tools", ()) for each in less.get("agents", ()))

    assert shrunk(spec, fails) == {"agents": [{"tools": [2]}]}


def test_a_report_keeps_what_another_run_has_found(tmp_path: Path) -> None:
    for name in ("specs", "sequences"):
        report = Report()
        report.counts[name]["accepted"] += 2
        report.write(tmp_path / "generated.json")
    whole = json.loads((tmp_path / "generated.json").read_text())
    assert [whole[name]["accepted"] for name in ("specs", "sequences")] == [2, 2]
