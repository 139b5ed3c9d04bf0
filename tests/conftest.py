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
    """``--update-golden`` rewrites the expected files of ``tests/unit/operator/golden`` with what is built now;
    ``--faults`` says how many of the cases of ``tests/faults`` are run, ``--generated`` how many resources are made up.
    """
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the builders build now into golden/*/output.yaml; read the difference before committing it",
    )
    parser.addoption(
        "--faults",
        default="short",
        metavar="short|all|CASE",
        help="a sample of the fault suite, all of it with a report in bench/results/faults.json, or one case",
    )
    parser.addoption(
        "--generated",
        default="short",
        metavar="short|NUMBER|#SEED",
        help="resources of tests/generated: a few, as many with a report in bench/results/generated.json, or one",
    )


class _SideBySide(LoadScopeScheduling):  # type: ignore[misc]
    """Modules run side by side, each on servers of its worker. All that need the one cluster are one piece of work, and
    so are those that compare with the same runs without faults."""

    def _split_scope(self, nodeid: str) -> str:
        whole = [folder for folder in ("tests/cluster/", "tests/faults/") if nodeid.startswith(folder)]
        return whole[0] if whole else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _SideBySide:
    """How `make test` hands tests to its workers."""
    return _SideBySide(config, log)
