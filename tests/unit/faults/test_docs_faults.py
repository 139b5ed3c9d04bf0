"""docs/faults.md names every scenario, every fault and no other, and its commands are those of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.catalogue import API_FAULTS, KILLED_AFTER, KILLED_BEFORE, REPLACED, SQL_FAULTS
from tests.faults.scenarios import BY_NAME
from tests.faults.watches import WATCH_FAULTS

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "faults.md").read_text()
FAULTS = {each.name for each in (*API_FAULTS, *SQL_FAULTS, *WATCH_FAULTS, KILLED_BEFORE, KILLED_AFTER, REPLACED)}


def named(heading: str) -> set[str]:
    """What the first column of a table names."""
    table = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_the_scenarios_are_those_that_there_are() -> None:
    assert named("Scenario") == set(BY_NAME)


def test_the_faults_are_those_that_there_are() -> None:
    assert named("Fault") == FAULTS


def test_the_commands_are_targets_of_the_makefile_and_its_one_case_is_well_named() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}: " in makefile for target in re.findall(r"^    make (\w+)", TEXT, re.MULTILINE))
    scenario, fault, _ = re.findall(r"--faults='([^']+)'", TEXT)[0].split("/", 2)
    assert scenario in BY_NAME
    assert fault in FAULTS


def test_every_file_that_is_named_is_there() -> None:
    found = re.findall(r"\b(?:tests|bench)/[\w/.]+\.py", TEXT)
    assert found
    assert [path for path in found if not (ROOT / path).exists()] == []
