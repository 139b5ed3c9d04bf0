"""What the client makes of answers that only a real API server gives."""

from __future__ import annotations

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from agentos_operator.clients.kinds import WATCHED, Kind
from agentos_operator.clients.kubernetes import Kubernetes
from tests.integration.operator.stage import Stage


@pytest.mark.parametrize("kind", WATCHED, ids=lambda kind: kind.kind)
async def test_a_kind_of_which_there_is_none_is_read_as_such(stage: Stage, kind: Kind) -> None:
    configuration = Configuration()
    await config.load_kube_config(config_file=str(stage.api.kubeconfig), client_configuration=configuration)
    client = Kubernetes(ApiClient(configuration))
    try:
        assert await client.names(kind, {"nobody": "has-this"}) == set()
        assert await client.list(kind, None, {"nobody": "has-this"}) == []
    finally:
        await client.close()
