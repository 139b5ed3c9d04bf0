"""Reads bench/results and writes docs/reports; a page whose results do not exist yet is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.report import faults, figures, readme, scale, soak
from bench.results import FOLDER
from local.paths import CHECKOUT

REPORTS = CHECKOUT / "docs" / "reports"
README = CHECKOUT / "README.md"


def files(results: Path = FOLDER) -> dict[str, str]:
    """Every file of the reports by name, as the results in `results` have it."""
    latest, details, counted = (_read(results / f"{name}.json") for name in ("latest", "details", "faults"))
    found: dict[str, str] = {}
    if latest is not None:
        found["figures.md"] = figures.page(latest)
    if counted is not None:
        found["faults.md"] = faults.page(counted)
    lives = (details or {}).get("soak")
    if lives is not None:
        found |= {"soak.md": soak.page(lives), **soak.plots(lives)}
    fleets = (details or {}).get("scale", {})
    if "sizes" in fleets:
        found |= {"scale.md": scale.page(fleets), **scale.plots(fleets)}
    return found


def introduction(results: Path = FOLDER) -> str:
    """README.md with the figures of `results`."""
    entries = _read(results / "latest.json") or []
    return readme.with_figures(README.read_text(), entries, files(results))


def write(results: Path = FOLDER, reports: Path = REPORTS) -> None:
    """Write all of them, and the README's figures."""
    reports.mkdir(parents=True, exist_ok=True)
    for name, text in files(results).items():
        (reports / name).write_text(text)
    if reports == REPORTS:
        README.write_text(introduction())


def _read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None
