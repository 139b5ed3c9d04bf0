"""What came of all cases, by scenario and fault: ``bench/results/faults.json``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.cases import Outcome

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results" / "faults.json"


@dataclass
class Count:
    """Cases of one fault in one scenario."""

    injected: int = 0
    """Faults that happened."""
    survived: int = 0
    """Cases of these whose end was that of a run without faults."""
    not_met: int = 0
    """Calls of the run without faults that were not made this time: a race went the other way."""
    seconds: float = 0.0


@dataclass
class Report:
    """Counts, and figures that are told and not judged."""

    counts: dict[str, dict[str, Count]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Count)))
    figures: dict[str, float] = field(default_factory=dict)

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """Count what came of some cases."""
        for outcome in outcomes:
            count = self.counts[outcome.case.scenario.name][outcome.case.fault.name]
            count.injected += outcome.hits
            count.survived += outcome.hits if not outcome.wrong else 0
            count.not_met += outcome.hits == 0
            count.seconds += outcome.seconds

    def write(self, path: Path) -> None:
        """Write all of it; entries of a part that was not run stay as they are."""
        whole: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"figures": {}, "scenarios": {}}
        today = datetime.now(UTC).strftime("%Y-%m-%d")
        for scenario, found in self.counts.items():
            entries = whole["scenarios"].setdefault(scenario, {})
            for fault, count in found.items():
                entries[fault] = {**asdict(count), "seconds": round(count.seconds, 1), "date": today}
        for figure, seconds in self.figures.items():
            whole["figures"][figure] = {"value": seconds, "date": today}
        path.write_text(json.dumps(whole, indent=1) + "\n")
