"""docs/generated.md names commands, files and tests that there are, and every kind of fault."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from tests.generated.documents import schema_of, spec_of
from tests.generated.faults import fault_of

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "generated.md").read_text()


def test_the_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^    make (\w+)", TEXT, re.MULTILINE)
    assert targets
    assert all(f"\n{target}: " in makefile for target in targets)


def test_every_file_and_every_test_that_is_named_is_there() -> None:
    files = re.findall(r"\b(?:tests|bench)/[\w/.]+\.py", TEXT)
    assert [path for path in files if not (ROOT / path).exists()] == []
    for name, path in re.findall(r"`(test_\w+)` in `([\w/.]+)`", TEXT):
        assert f"def {name}(" in (ROOT / path).read_text()


def test_every_kind_of_fault_is_described() -> None:
    seeds = range(400)
    found = set()
    for kind in ("Workspace", "AgentDeployment"):
        for r in map(Random, seeds):
            found.add(fault_of(spec_of(kind, r), schema_of(kind), r).kind)
    faults = " ".join(TEXT.partition("A fault is ")[2].partition("\n\n")[0].split())
    assert [each for each in sorted(found) if each not in faults] == []
