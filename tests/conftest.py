"""Options that all tests share. They are registered here because pytest reads no deeper conftest before its options."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` rewrites the expected files of ``tests/unit/operator/golden`` with what is built now."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the builders build now into golden/*/output.yaml; read the difference before committing it",
    )
