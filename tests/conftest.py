"""Options that all tests share. They are registered here because pytest reads no deeper conftest before its options."""

from __future__ import annotations

from pathlib import Path

import pytest

CLUSTER = Path(__file__).parent / "cluster"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` rewrites the expected files of ``tests/unit/operator/golden`` with what is built now."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the builders build now into golden/*/output.yaml; read the difference before committing it",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what may run side by side (`make test` has several workers): modules, but for those of the one cluster.

    A worker has servers of its own for the rest, so modules share nothing across workers.
    """
    for item in items:
        place = "cluster" if item.path.is_relative_to(CLUSTER) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(place))
