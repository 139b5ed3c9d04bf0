"""docs/knowledge.md and its example: documents that a runtime takes, and figures that are the runtime's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from agno.knowledge.reader.text_reader import TextReader

from agentos_runtime.auth.fetch import TIMEOUT
from agentos_runtime.knowledge import loader, sources
from agentos_spec import parse_spec
from agentos_spec.knowledge import EMBEDDERS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "knowledge.md").read_text()
TEXT = " ".join(PAGE.split())
EXAMPLE = list(yaml.safe_load_all((ROOT / "examples" / "knowledge.yaml").read_text()))
SHOWN = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("document", [*SHOWN, EXAMPLE[1]])
def test_a_document_that_it_shows_is_one(document: dict[str, Any]) -> None:
    spec = parse_spec(document)
    assert spec.agents[0].knowledge == spec.knowledge[0].id == "handbook"


def test_the_example_brings_the_config_map_that_it_names() -> None:
    config_map, deployment = EXAMPLE
    (source,) = parse_spec(deployment).knowledge[0].sources
    assert config_map["metadata"] == {"name": source.config_map, "namespace": deployment["metadata"]["namespace"]}


def test_a_start_without_knowledge_imports_nothing_for_it() -> None:
    question = (
        "import sys, agentos_runtime.app; print([m for m in sys.modules if m.startswith('agentos_runtime.know')])"
    )
    found = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_its_figures_are_the_runtimes() -> None:
    words = " and ".join([", ".join(f"`{each}`" for each in ("openai", "fireworks", "nebius")), "`together`"])
    assert words in TEXT
    assert {"openai", "fireworks", "nebius", "together"} == EMBEDDERS.keys()
    assert f"a text in UTF-8 of {sources.LARGEST // 1024**2} MiB, within {TIMEOUT:g} seconds" in TEXT
    first, last = 2 * loader._FIRST_RETRY_SECONDS, loader._LAST_RETRY_SECONDS / 60
    assert f"after {first:g} seconds, then ever less often up to every {last:g} minutes" in TEXT
    assert f"pieces of {TextReader().chunking_strategy.chunk_size:,} characters" in TEXT  # type: ignore[union-attr]


def test_the_status_it_shows_has_the_form_of_one() -> None:
    shown = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    assert shown["knowledge_sources"][0].keys() == {"id", "name", "status", "texts", "message"}
