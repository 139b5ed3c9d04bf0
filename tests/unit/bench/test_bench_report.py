"""The committed pages are those of the committed results, and plots are the same bytes for the same figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.report.plot import Line, Plot, draw
from bench.report.readme import BEGIN, END, with_figures
from bench.report.write import README, REPORTS, files, introduction, write

FLEET: dict[str, Any] = {
    "bare": {"seconds": 20.0, "cpu_seconds": 2.0, "requests": 1900, "statements": 1500},
    "seconds": 30.0,
    "cpu_seconds": 8.0,
    "requests": {"get secrets": 2000, "patch secrets": 6000},
    "statements": 1700,
    "rss_mb": 110.0,
    "removed_s": 25.0,
    "left": {},
    "rest": {"writes_per_minute": 0.0, "cpu_percent": 0.5},
    "restart": {"seconds": 3.0, "changed": 0, "requests": 1700},
    "changes_s": [0.3, 0.1, 0.2],
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two fleets, and nothing else."""
    small = FLEET | {"seconds": 4.0, "rss_mb": 101.0, "removed_s": 7.0}
    scale = {
        "date": "2026-11-28",
        "machine": "two cores",
        "versions": {"kopf": "1"},
        "sizes": {"100": FLEET, "10": small},
    }
    (tmp_path / "details.json").write_text(json.dumps({"scale": scale}))
    return tmp_path


@pytest.mark.parametrize("name", sorted(files()))
def test_a_committed_page_says_what_the_committed_results_say(name: str) -> None:
    assert (REPORTS / name).read_text() == files()[name], "run `python -m bench report`"


def test_the_readme_says_what_the_committed_results_say() -> None:
    assert README.read_text() == introduction(), "run `python -m bench report`"


def test_the_readme_shows_the_largest_fleet_and_the_plots_that_there_are() -> None:
    entry = {"ours": 3.0, "unit": "s", "baseline": 2.0, "ratio": 1.5, "goal": "<= 2 x baseline", "holds": True}
    entries = [entry | {"name": f"scale-{size}-ready"} for size in (10, 1000)]
    text = with_figures(f"before\n{BEGIN}old\n{END}after\n", entries, ["scale-time.svg", "scale.md"])
    assert "| `scale-1000-ready` | 3 s | 2 | 1.50 | <= 2 x baseline | holds |" in text
    assert "scale-10-ready" not in text
    assert text.count("](docs/reports/") == 1
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert with_figures(text, entries, ["scale-time.svg"]) == text, "written twice, it is the same"


def test_no_page_or_plot_is_left_from_results_that_are_gone() -> None:
    assert {path.name for path in REPORTS.iterdir()} == files().keys()


def test_the_page_about_fleets_begins_with_the_ratio_and_ends_with_what_was_not_tried(results: Path) -> None:
    page = files(results)["scale.md"]
    assert "| 100 | **1.50 x** | 30.0 s | 20.0 s | 300 ms |" in page
    assert "| Memory at rest | 100 MB | 1,100 MB |" in page
    assert page.index("## Beside a bare client") < page.index("## The slope from 10 to 100")
    assert "Measured on 2026-11-28: two cores; kopf 1." in page


def test_a_run_writes_pages_and_the_plots_that_they_show(results: Path, tmp_path: Path) -> None:
    write(results, tmp_path / "reports")
    page = (tmp_path / "reports" / "scale.md").read_text()
    for plot in (tmp_path / "reports").glob("*.svg"):
        assert f"({plot.name})" in page
        ElementTree.fromstring(plot.read_text())


def test_a_plot_is_the_same_bytes_each_time_and_holds_every_point() -> None:
    plot = Plot("Time & more", "n", "s", (Line("ours", [(10, 4), (100, 30)]), Line("bare", [(10, 2)])), log=True)
    assert draw(plot) == draw(plot)
    assert draw(plot).count("<circle") == 3
    assert "Time &amp; more" in draw(plot)


def test_a_goal_is_drawn_where_it_lies() -> None:
    assert "goal 200" in draw(Plot("Memory", "n", "MB", (Line("ours", [(10, 100), (100, 120)]),), bound=200))
