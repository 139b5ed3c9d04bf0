"""The file of results: what a reader of bench/results/latest.json relies on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command
from bench import goals, results
from bench.catalog import FIGURES, LONG, PARTS, RECORDED, by_name, parts_of
from bench.results import Circumstances, Entry

AT = Circumstances("2026-11-23", "2 x a processor", {"python": "3.11", "agno": "3.1.10"})


def made(name: str, ours: float, baseline: float | None = None) -> Entry:
    return results.entry(by_name(name), ours, baseline, AT)


def test_an_entry_has_exactly_the_fields_of_the_format(tmp_path: Path) -> None:
    results.save([made("runtime-p50", 12.0, 11.0)], tmp_path)
    [entry] = json.loads((tmp_path / "latest.json").read_text())
    assert list(entry) == [
        *("name", "unit", "ours", "baseline", "ratio", "goal", "holds", "date", "machine", "versions"),
    ]
    assert entry["ratio"] == 1.09
    assert entry["holds"] is True
    assert entry["versions"] == {"agno": "3.1.10", "python": "3.11"}


def test_a_run_of_one_part_keeps_the_others_and_their_order(tmp_path: Path) -> None:
    results.save([made("operator-idle-memory", 90.0), made("ci-cold", 600.0)], tmp_path)
    results.save([made("apply-to-first-answer", 2.5, 2.8)], tmp_path)
    results.save([made("operator-idle-memory", 80.0)], tmp_path)
    entries = json.loads((tmp_path / "latest.json").read_text())
    assert [(one["name"], one["ours"]) for one in entries] == [
        ("apply-to-first-answer", 2.5),
        ("operator-idle-memory", 80.0),
        ("ci-cold", 600.0),
    ]


def test_a_figure_that_the_catalog_lost_stays_at_the_end() -> None:
    merged = results.merge([{"name": "a-figure-of-old", "ours": 1.0}], [made("ci-warm", 60.0)])
    assert [one["name"] for one in merged] == ["ci-warm", "a-figure-of-old"]


def test_the_verdict_is_on_the_figure_and_not_on_its_rounding() -> None:
    assert made("operator-idle-memory", 109.9999).holds is True
    assert made("operator-idle-memory", 110.0).holds is False
    assert made("apply-to-first-answer", 2.00001, 2.0).holds is False


def test_a_figure_without_a_goal_has_no_verdict() -> None:
    entry = made("make-up-cold", 700.0)
    assert (entry.goal, entry.holds, entry.baseline, entry.ratio) == (None, None, None, None)


@pytest.mark.parametrize(
    ("goal", "ours", "baseline", "verdict"),
    [
        ("< 110 MB", 109.0, None, True),
        ("< 110 MB", 110.0, None, False),
        ("= 0 requests", 0.0, None, True),
        ("= 0", 1.0, None, False),
        ("<= 1.0 x baseline", 2.8, 2.8, True),
        ("<= 1.0 x baseline", 2.9, 2.8, False),
        (">= 0.95 x baseline", 57.0, 60.0, True),
        (">= 0.95 x baseline", 56.9, 60.0, False),
        ("<= baseline + 2 ms", 16.0, 14.0, True),
        ("<= baseline + 2 ms", 16.1, 14.0, False),
        ("", 5.0, None, None),
    ],
)
def test_a_goals_text_decides(goal: str, ours: float, baseline: float | None, verdict: bool | None) -> None:
    assert goals.holds(goal, ours, baseline) is verdict


@pytest.mark.parametrize("goal", ["about 3 s", "< fast", "<= 95% of baseline", "<1"])
def test_a_text_that_is_no_goal_is_refused(goal: str) -> None:
    with pytest.raises(ValueError, match="is no goal"):
        goals.holds(goal, 1.0, 1.0)


def test_a_goal_about_a_baseline_needs_one() -> None:
    with pytest.raises(ValueError, match="needs a baseline"):
        goals.holds("<= 1.0 x baseline", 1.0, None)


def test_every_goal_of_the_catalog_can_be_judged() -> None:
    assert {goals.holds(figure.goal, 1.0, 1.0) for figure in FIGURES} <= {True, False, None}


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    results.save([made("ci-warm", 60.0)], tmp_path)
    before = (tmp_path / "latest.json").read_text()
    broken: Any = object()
    with pytest.raises(TypeError):
        results.save_details("runtime", {"rounds": broken}, tmp_path)
    assert (tmp_path / "latest.json").read_text() == before
    assert not (tmp_path / "details.json").exists()


def test_details_of_one_part_keep_those_of_the_others(tmp_path: Path) -> None:
    results.save_details("runtime", {"rounds": 1}, tmp_path)
    results.save_details("first-answer", {"rounds": 2}, tmp_path)
    assert json.loads((tmp_path / "details.json").read_text()) == {
        "first-answer": {"rounds": 2},
        "runtime": {"rounds": 1},
    }


def test_names_choose_the_parts_that_measure_them() -> None:
    assert parts_of([]) == [part for part in PARTS if part not in LONG]
    assert parts_of(["operator-idle-memory", "runtime-p50", "runtime-start"]) == ["runtime", "operator-memory"]
    assert parts_of(["first-answer"]) == ["first-answer"]
    for stranger in ("runtime-p51", "ci-cold"):
        with pytest.raises(KeyError):
            parts_of([stranger])


def test_every_figure_is_measured_by_a_part_or_recorded() -> None:
    assert {figure.part for figure in FIGURES} == {*PARTS, RECORDED}


def test_a_figure_timed_elsewhere_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results.save, "__defaults__", (tmp_path,))
    assert command.main(["record", "make-up-warm", "41.2", "s"]) == 0
    [entry] = json.loads((tmp_path / "latest.json").read_text())
    assert (entry["name"], entry["ours"], entry["unit"]) == ("make-up-warm", 41.2, "s")
    assert "make-up-warm" in capsys.readouterr().out


def test_only_figures_timed_elsewhere_can_be_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["record", "runtime-p50", "1", "s"])
    assert "invalid choice" in capsys.readouterr().err


def test_an_unknown_name_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["runtime-speed"]) == 2
    assert "runtime-throughput" in capsys.readouterr().err


def test_the_committed_results_are_what_this_code_writes() -> None:
    path = results.FOLDER / "latest.json"
    entries = json.loads(path.read_text()) if path.exists() else []
    assert results.merge(entries, []) == entries
    for entry in entries:
        assert list(entry) == list(Entry.__dataclass_fields__)
