"""What all tests share: options, registered here because pytest reads no deeper conftest before its options; servers,
which are started once for all who ask; and which tests may run side by side.
"""

from __future__ import annotations

import gc

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

from tests.operators import chart, forked, gateway_api, http_routes, routed_api, token
from tests.servers import api_server, postgres, postgres_of, tls_postgres

__all__ = [
    "api_server",
    "chart",
    "forked",
    "gateway_api",
    "http_routes",
    "postgres",
    "postgres_of",
    "routed_api",
    "tls_postgres",
    "token",
]

gc.disable()
"""Until all is collected: nothing that imports and parameters build is garbage, and to look for some takes seconds."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """From now on there is garbage, but not among what was collected: millions of objects that are not looked at."""
    gc.freeze()
    gc.enable()


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

    def _assign_work_unit(self, node: WorkerController) -> None:
        """A worker goes on with what asks for the servers that it has, or for those that none has: each start of an API
        server takes as much as a dozen tests, and so does one that idles."""
        mine = {_servers_of(scope) for scope in self.assigned_work[node]}
        others = {_servers_of(scope) for work in self.assigned_work.values() for scope in work} - mine

        def effort(scope: str) -> int:
            servers = _servers_of(scope)
            return 0 if servers in mine else 2 if servers in others else 1

        self.workqueue.move_to_end(min(self.workqueue, key=effort), last=False)
        super()._assign_work_unit(node)


def _servers_of(scope: str) -> str:
    """What the tests of a folder start."""
    folders = {
        "a cluster": ("tests/cluster/",),
        "PostgreSQL": ("tests/integration/postgres/", "tests/integration/runtime/"),
        "an API server": ("tests/faults/", "tests/generated/", "tests/integration/"),
    }
    return next((servers for servers, found in folders.items() if scope.startswith(found)), "nothing")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _SideBySide:
    """How `make test` hands tests to its workers."""
    return _SideBySide(config, log)
