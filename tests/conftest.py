"""What all tests share: options, registered here because pytest reads no deeper conftest before its options; servers,
which are started once for all who ask; and which tests may run side by side.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.servers import api_server, postgres, postgres_of, tls_postgres

__all__ = ["api_server", "postgres", "postgres_of", "tls_postgres"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` rewrites the expected files of ``tests/unit/operator/golden`` with what is built now."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the builders build now into golden/*/output.yaml; read the difference before committing it",
    )


class _SideBySide(LoadScopeScheduling):  # type: ignore[misc]
    """Modules run side by side, each on servers of its worker; all that need the one cluster are one piece of work."""

    def _split_scope(self, nodeid: str) -> str:
        return "cluster" if nodeid.startswith("tests/cluster/") else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _SideBySide:
    """How `make test` hands tests to its workers."""
    return _SideBySide(config, log)
