"""Golden cases and the plainest inputs of the operator's unit tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos_operator.settings import Settings

Object = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The settings of the plainest golden case."""
    document = yaml.safe_load((GOLDEN / "a-workspace-with-every-default" / "input.yaml").read_text())
    return Settings.model_validate(document["settings"])
