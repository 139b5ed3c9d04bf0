"""What was generated and what came of it: ``bench/results/generated.json``."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results" / "generated.json"


@dataclass
class Report:
    """Counts by what was tried."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def write(self, path: Path) -> None:
        """Write all of it; entries of a part that was not run stay as they are."""
        whole: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        today = datetime.now(UTC).strftime("%Y-%m-%d")
        whole |= {name: {**dict(sorted(count.items())), "date": today} for name, count in self.counts.items()}
        path.write_text(json.dumps(whole, indent=1) + "\n")
