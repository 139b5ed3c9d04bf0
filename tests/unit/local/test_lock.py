"""Lock files that no longer match pyproject.toml are found without a network."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from local import lock
from local.lock import LOCKS, Lock

PYPROJECT: dict[str, Any] = {
    "build-system": {"requires": ["backend"]},
    "project": {
        "dependencies": ["pyyaml>=6"],
        "optional-dependencies": {"runtime": ["agno[os]==3", "uvicorn>=0.30"], "dev": ["pytest"]},
    },
}


@pytest.mark.parametrize("one", LOCKS, ids=lambda one: one.name)
def test_every_lock_file_is_current(one: Lock) -> None:
    assert lock.problem(one, tomllib.loads((lock.ROOT / "pyproject.toml").read_text())) is None


@pytest.mark.parametrize("one", LOCKS, ids=lambda one: one.name)
def test_every_line_is_a_pin_with_hashes_and_names_no_registry(one: Lock) -> None:
    text = one.path.read_text().partition("\n")[2].replace(" \\\n    --hash=", " --hash=")
    for line in text.splitlines():
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
    assert "://" not in text


def test_a_changed_requirement_makes_the_lock_stale() -> None:
    runtime = Lock("runtime", extras=("runtime",))
    before = lock.declarations(runtime, PYPROJECT)
    changed = {**PYPROJECT, "project": {**PYPROJECT["project"], "dependencies": ["pyyaml>=7"]}}
    assert lock.declarations(runtime, changed) != before


def test_a_change_that_a_lock_does_not_take_part_in_leaves_it_current() -> None:
    runtime = Lock("runtime", extras=("runtime",))
    before = lock.declarations(runtime, PYPROJECT)
    extras = {**PYPROJECT["project"]["optional-dependencies"], "dev": ["pytest", "mypy"]}
    changed = {**PYPROJECT, "project": {**PYPROJECT["project"], "optional-dependencies": extras}}
    assert lock.declarations(runtime, changed) == before


def test_a_lock_of_one_package_takes_its_version_range_from_the_extra() -> None:
    assert lock.requirements(Lock("x", extras=("runtime",), only=("uvicorn",)), PYPROJECT) == ["uvicorn>=0.30"]


def test_a_missing_lock_says_how_to_make_it() -> None:
    found = lock.problem(Lock("no-such-lock", direct=("a==1",)), PYPROJECT)
    assert found is not None
    assert "python -m local.lock" in found
