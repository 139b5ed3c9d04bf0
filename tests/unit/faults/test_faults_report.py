"""The report of the fault suite: what was injected, what was survived, and that a part keeps the rest."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.cases import Case, Outcome
from tests.faults.catalogue import KILLED_AFTER, KILLED_BEFORE, Death
from tests.faults.report import Report
from tests.faults.scenarios import BY_NAME


def outcome(death: Death, hits: int = 1, *wrong: str) -> Outcome:
    return Outcome(Case(BY_NAME["create"], death), hits, [*wrong], seconds=2.0)


def test_what_ended_otherwise_was_injected_and_not_survived_and_what_never_happened_is_neither(tmp_path: Path) -> None:
    report = Report()
    report.note([outcome(KILLED_AFTER), outcome(KILLED_AFTER, 1, "a difference"), outcome(KILLED_AFTER, 0)])
    report.write(tmp_path / "faults.json")
    (entry,) = json.loads((tmp_path / "faults.json").read_text())["scenarios"]["create"].values()
    assert (entry["injected"], entry["survived"], entry["not_met"], entry["seconds"]) == (2, 1, 1, 6.0)


def test_a_run_of_one_part_keeps_the_entries_of_the_others(tmp_path: Path) -> None:
    for death in (KILLED_AFTER, KILLED_BEFORE):
        report = Report()
        report.note([outcome(death)])
        report.figures[death.name] = 1.5
        report.write(tmp_path / "faults.json")
    whole = json.loads((tmp_path / "faults.json").read_text())
    assert [*whole["scenarios"]["create"]] == [*whole["figures"]] == ["killed-after", "killed-before"]
