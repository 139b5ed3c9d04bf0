"""How many resources are generated, and the API server that is asked about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from agentos_operator.settings import Settings
from agentos_runtime.agents import compile as compile_
from tests.generated.asking import Asking
from tests.generated.documents import NAMESPACE
from tests.generated.report import RESULTS, Report
from tests.integration.kept import KeptApi

if TYPE_CHECKING:
    from tests.integration.apiserver import ApiServer

SHORT = 80
_GOLDEN = Path(__file__).resolve().parents[1] / "unit" / "operator" / "golden" / "a-workspace-with-every-default"


@pytest.fixture(scope="session")
def seeds(request: pytest.FixtureRequest) -> Sequence[int]:
    """One for each resource: the same in every run of ``make test``, as many as told, or the one that is told."""
    wanted = str(request.config.getoption("--generated"))
    if wanted.startswith("#"):
        return [int(wanted[1:])]
    return range(SHORT if wanted == "short" else int(wanted))


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """What came of all; a sample is not worth a report."""
    report = Report()
    yield report
    if str(request.config.getoption("--generated")).isdecimal():
        report.write(RESULTS)


@pytest.fixture(scope="session")
def asking(api_server: ApiServer, gateway_api: None) -> Iterator[Asking]:
    """An API server with a Namespace for what is never kept."""
    api_server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    with closing(KeptApi(api_server.kubeconfig)) as api:
        yield Asking(api)


@pytest.fixture(scope="session", autouse=True)
def catalogue() -> Iterator[None]:
    """A runtime compiles one document, and forgets the catalogue with it; here many are compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compile_, "forget_catalogue", lambda: None)
        yield


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The plainest configuration that admits every image."""
    document = yaml.safe_load((_GOLDEN / "input.yaml").read_text())
    return Settings.model_validate(document["settings"] | {"allowedImages": ["*"]})
