"""What chance decides in the soak, what may be compared with what, and that growth and leftovers are told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from agentos_operator.database_names import database_names
from agentos_operator.reconcile.isolation.report import judge, read_report
from bench import __main__ as bench
from bench import results
from bench.catalog import FIGURES, LONG, PARTS, by_name, parts_of
from bench.report import write as report
from bench.report.write import files
from bench.soak import left, lives, pretended
from bench.soak.life import documents
from bench.soak.lives import Action, Step
from bench.soak.measure import SLOPES, Found, Plan, figures, slopes_of
from bench.soak.samples import at_rest, process, remote_ports, told
from bench.soak.slopes import LEAST, compared, slope_of

SUBJECTS = lives.subjects_of(50)
ROUNDS = [lives.round_of(7, number, SUBJECTS, 240) for number in range(20)]
EACH = [steps for each in ROUNDS for steps in each.values()]


def test_the_same_seed_asks_for_the_same_and_another_for_something_else() -> None:
    assert lives.round_of(7, 3, SUBJECTS, 240) == ROUNDS[3]
    assert lives.round_of(8, 3, SUBJECTS, 240) != ROUNDS[3]
    assert ROUNDS[2] != ROUNDS[3]


@pytest.mark.parametrize("steps", EACH[:200])
def test_a_round_ends_with_the_workspace_there_and_at_work(steps: Sequence[Step]) -> None:
    there, asleep = True, False
    for step in steps:
        if step.action is Action.MAKE:
            assert not there, "nobody makes what is there"
            there, asleep = True, False
        else:
            assert there, f"{step.action} needs a workspace"
        if step.action in (Action.RETAIN, Action.DROP):
            assert not step.hasty, "a name is free only when its last workspace has gone"
            there = False
        if step.action in (Action.SUSPEND, Action.RESUME):
            assert asleep == (step.action is Action.RESUME)
            asleep = not asleep
        assert not (asleep and step.action in (Action.ROTATE, Action.ROTATE_ALL)), (
            "no pod follows a rotation while they are suspended"
        )
    assert there
    assert not asleep
    assert [step.after for step in steps] == sorted(step.after for step in steps)
    assert not steps or not steps[-1].hasty


def test_two_hours_have_every_action_many_times_some_of_them_in_haste() -> None:
    counts = lives.counted(ROUNDS)
    assert counts.keys() == {action.value for action in Action}
    assert min(counts.values()) > 20
    assert any(step.hasty for steps in EACH for step in steps)


def test_some_workspaces_are_real_in_either_isolation_and_fewer_are_fewer() -> None:
    real = [subject for subject in SUBJECTS if subject.real]
    assert len(real) == lives.REAL
    assert {subject.isolation for subject in real} == {"Schema", "Database"}
    assert sum(subject.isolation == "Database" for subject in SUBJECTS) == 5
    assert len({subject.name for subject in SUBJECTS}) == 50


def test_only_pretended_workspaces_get_to_pretended_nodes() -> None:
    real, fake = SUBJECTS[0], SUBJECTS[-1]
    specs = {
        subject.name: body["spec"]
        for subject in (real, fake)
        for _, body in documents(subject)
        if body["kind"] == "Workspace"
    }
    assert "runtimeClassName" not in specs[real.name]
    assert specs[fake.name]["runtimeClassName"] == pretended.runtime_class()["metadata"]["name"]
    (taint,) = pretended.documents()[0]["spec"]["taints"]
    (toleration,) = pretended.runtime_class()["scheduling"]["tolerations"]
    assert toleration["key"] == taint["key"]
    assert (
        pretended.runtime_class()["scheduling"]["nodeSelector"].items()
        <= pretended.documents()[0]["metadata"]["labels"].items()
    )
    room = sum(int(node["status"]["allocatable"]["pods"]) for node in pretended.documents())
    assert room >= 4 * lives.MOST


def test_restored_data_is_asked_for_by_name() -> None:
    (body,) = [body for _, body in documents(SUBJECTS[5], "ws_0123") if body["kind"] == "Workspace"]
    assert body["spec"]["database"] == {"isolation": "Schema", "restoreFrom": "ws_0123"}


def test_a_line_is_found_with_its_interval() -> None:
    straight = slope_of([(3600 * hour, 100 + 2.5 * hour) for hour in range(6)])
    assert straight is not None
    assert straight.per_hour == pytest.approx(2.5)
    assert straight.low == pytest.approx(2.5)
    # By hand: residuals of (0, 1, 0, 1) about the line are -0.2, 0.6, -0.6, 0.2; error sqrt(0.4 / 5); t of 2 is 4.303.
    noisy = slope_of([(0, 0), (3600, 1), (7200, 0), (10800, 1)])
    assert noisy is not None
    assert noisy.per_hour == pytest.approx(0.2)
    assert noisy.high == pytest.approx(0.2 + 4.303 * (0.4 / 5) ** 0.5)
    assert slope_of([(0, 1), (1, 1), (2, 1)]) is None, "three points fit everything"


def test_at_rest_counts_what_is_there_at_each_look() -> None:
    looks = [{"pid": 1, "rss_mb": mb, "files": files, "tasks": 9} for mb, files in ((100, 44), (120, 41), (104, 43))]
    assert at_rest(looks) == {"rss_mb": 104, "files": 41, "tasks": 9}
    assert at_rest([*looks, {"pid": 0}]) == {}, "it was replaced meanwhile"


def sample(seconds: float, value: float, *, pid: int = 1, rest: bool = True) -> dict[str, Any]:
    fields = ("rss_mb", "files", "threads", "tasks", "connections_api", "connections_postgresql", "connections_other")
    counts = {"roles": 150, "schemas": 45, "databases": 5}
    return {"seconds": seconds, "rest": rest, "pid": pid, **dict.fromkeys(fields, value), **counts, "sessions": {}}


def test_only_rest_of_the_longest_process_is_compared_without_its_beginning() -> None:
    first = [sample(seconds, 500, pid=1) for seconds in (0, 300, 600)]
    work = [sample(seconds, 900, pid=2, rest=False) for seconds in range(900, 4900, 30)]
    long = [sample(seconds, 100, pid=2) for seconds in range(900, 4901, 500)]
    mixed = sorted([*first, *work, *long], key=lambda one: float(one["seconds"]))
    found = compared([*mixed, {"seconds": 5000, "rest": False, "pid": 0}])
    assert {one["rss_mb"] for one in found} == {100}
    assert min(one["seconds"] for one in found) == 1900
    assert compared([]) == []


def test_a_leak_misses_its_goal_and_so_does_a_measurement_that_could_not_tell() -> None:
    def verdict(values: Sequence[float], name: str) -> bool | None:
        slopes = slopes_of([sample(300 * number, value) for number, value in enumerate(values)])
        value = figures(Found(), slopes)[name]
        return results.entry(by_name(name), value, None, results.Circumstances("", "", {})).holds

    assert verdict([40.0] * 16, "soak-files-slope")
    assert not verdict([40.0 + number for number in range(16)], "soak-files-slope"), "12 an hour"
    assert not verdict([40.0, 60.0] * 8, "soak-files-slope"), "noise in which 12 an hour would not be seen"


def test_a_run_too_short_for_lines_says_nothing_of_slopes() -> None:
    slopes = slopes_of([sample(60 * number, 1.0) for number in range(LEAST - 1)])
    assert not figures(Found(seconds=180), slopes).keys() & SLOPES.keys()


def test_an_end_that_nobody_looked_at_is_not_told_as_nothing_left() -> None:
    assert "soak-leftovers" not in figures(Found(), {})
    assert figures(Found(left={}), {})["soak-leftovers"] == 0
    assert figures(Found(left={"roles": 3, "Secret": 1}), {})["soak-leftovers"] == 4


def test_rounds_are_short_enough_for_a_line_in_ten_minutes_and_long_enough_for_steps() -> None:
    assert Plan(seconds=600).round_seconds == 45
    assert Plan().round_seconds == 240


def test_what_is_too_many_or_missing_in_postgresql_is_named() -> None:
    one, other = database_names("a", "1"), database_names("b", "2")
    wanted = left.should_be([("Schema", one), ("Database", other)])
    there = {
        "roles": [*one.roles, *other.roles],
        "schemas": [one.schema],
        "databases": [other.database],
    }
    assert left.differences(wanted, there) == []
    stray = {**there, "roles": [*there["roles"], "ws_stray_owner"], "databases": []}
    assert left.differences(wanted, stray) == [
        "1 roles too many, such as ws_stray_owner",
        f"1 databases missing, such as {other.database}",
    ]


def test_connections_are_counted_by_what_is_at_their_other_end(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: 0100007F:C350 {} {} 00000000:00000000 00:00000000 00000000 65532        0 {} 1\n"
    table = head + "".join(
        row.format(*each)
        for each in (
            ("0100600A:01BB", "01", 11),
            ("0100600A:01BB", "01", 99),  # another process of the pod
            ("0200600A:1538", "01", 12),
            ("0300600A:24F8", "01", 13),
            ("0400600A:01BB", "08", 14),  # closed by the other side
        )
    )
    folder = tmp_path / "77"
    (folder / "fd").mkdir(parents=True)
    (folder / "net").mkdir()
    (folder / "net" / "tcp").write_text(table)
    (folder / "net" / "tcp6").write_text(head)
    (folder / "status").write_text("Name:\tpython\nVmRSS:\t  102400 kB\nThreads:\t5\n")
    for number, inode in enumerate((11, 12, 13, 14)):
        (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
    (folder / "fd" / "9").symlink_to("/dev/null")
    assert process(77, tmp_path) == {
        "rss_mb": pytest.approx(104.8576),
        "files": 5,
        "threads": 5,
        "connections_api": 1,
        "connections_postgresql": 1,
        "connections_other": 1,
    }
    assert remote_ports([], [table]) == []


def test_all_queues_together_tell_whether_the_operator_is_idle() -> None:
    queues = "".join(f'agentos_operator_queue_keys{{queue="{name}"}} {count}\n' for name, count in (("a", 2), ("b", 1)))
    assert told(f"{queues}agentos_operator_tasks 41\n") == {"waiting": 3, "tasks": 41}


def test_a_pretended_probe_reports_what_the_operator_reads() -> None:
    report = read_report(json.dumps(pretended._PROBED))
    assert report is not None
    assert judge(report, "now").holds


def test_the_soak_is_only_run_when_it_is_asked_for() -> None:
    assert LONG == ("soak",)
    assert parts_of([]) == [part for part in PARTS if part != "soak"]
    assert parts_of(["soak"]) == ["soak"]
    assert parts_of(["soak-memory-slope"]) == ["soak"]
    assert all(figure.goal for figure in FIGURES if figure.name.endswith("-slope"))


def flawed() -> tuple[list[results.Entry], dict[str, Any]]:
    at = results.Circumstances("2026-11-29", "two cores", {})
    raise results.FlawedError("1 thing", "Look.", [results.entry(by_name("soak-leftovers"), 1, None, at)], {"left": 1})


def test_a_run_that_found_something_ends_with_an_error_and_keeps_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(results, "save", lambda entries: kept.update({one.name: one.ours for one in entries}))
    monkeypatch.setattr(results, "save_details", lambda part, details: kept.update({part: details}))
    monkeypatch.setattr(report, "write", lambda: None)
    assert bench._measure("soak", flawed) == 1
    assert kept == {"soak-leftovers": 1, "soak": {"left": 1}}
    assert "1 thing\nLook." in capsys.readouterr().err


DETAILS: Mapping[str, Any] = {
    "seed": 7,
    "workspaces": 50,
    "seconds": 7200,
    "rounds": 2,
    "kills": 3,
    "actions": {"make": 20, "rotate": 1001},
    "wrong": [],
    "left": {},
    "failures": [],
    "slopes": {"soak-files-slope": {"per_hour": 0.25, "low": -0.5, "high": 1.0, "points": 14}},
    "samples": [
        sample(0, 90.0, rest=False),
        {"seconds": 30.0, "rest": False, "pid": 0, "roles": 1, "schemas": 1, "databases": 0, "sessions": {}},
        sample(300, 100.0),
        sample(7200, 101.5),
    ],
    "machine": "two cores",
    "date": "2026-11-29",
    "versions": {"kopf": "1"},
}


def pages(folder: Path, details: Mapping[str, Any]) -> dict[str, str]:
    (folder / "details.json").write_text(json.dumps({"soak": details}))
    return files(folder)


def test_the_page_tells_slopes_with_their_interval_and_shows_the_hours(tmp_path: Path) -> None:
    found = pages(tmp_path, DETAILS)
    page = found["soak.md"]
    assert "| Open files | 0.25 | -0.50 to 1.00 | 14 | < 3 files/h |" in page
    assert "| Resident memory, MB | 100 | 101.5 |" in page
    assert "1,021 actions in 2 rounds" in page
    assert "## What was left, and what went wrong\n\nNothing" in page
    plots = {name: text for name, text in found.items() if name.endswith(".svg")}
    assert len(plots) == 2
    for name, text in plots.items():
        assert f"({name})" in page
        assert ElementTree.fromstring(text) is not None
        assert "<circle" not in text, "hundreds of points would be a smear"


def test_the_page_names_what_failed(tmp_path: Path) -> None:
    failure = {"workspace": "soak-3", "action": "rotate", "why": "not so after 600 s", "conditions": {}}
    details = {**DETAILS, "failures": [failure], "wrong": ["in the end: 2 roles left"], "slopes": {}, "samples": []}
    page = pages(tmp_path, details)["soak.md"]
    assert "- soak-3, rotate: not so after 600 s\n- in the end: 2 roles left" in page.replace("\n\n-", "\n-")
    assert "too short for a line" in page
