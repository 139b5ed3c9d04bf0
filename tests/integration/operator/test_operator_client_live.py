"""What the client makes of answers that only a real API server gives."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from agentos_operator.clients.kinds import CONFIG_MAP, WATCHED, Kind
from agentos_operator.clients.kubernetes import Kubernetes
from tests.generated.values import ODD
from tests.integration.operator.stage import Stage


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[Kubernetes]:
    configuration = Configuration()
    await config.load_kube_config(config_file=str(stage.api.kubeconfig), client_configuration=configuration)
    client = Kubernetes(ApiClient(configuration))
    yield client
    await client.close()


@pytest.mark.parametrize("kind", WATCHED, ids=lambda kind: kind.kind)
async def test_a_kind_of_which_there_is_none_is_read_as_such(client: Kubernetes, kind: Kind) -> None:
    assert await client.names(kind, {"nobody": "has-this"}) == set()
    assert await client.list(kind, None, {"nobody": "has-this"}) == []


async def test_a_text_of_any_characters_arrives_as_it_is(client: Kubernetes) -> None:
    """An emoji in an agent's instructions must not keep its deployment from being applied."""
    texts = {f"key-{number}": text for number, text in enumerate(ODD)}
    metadata = {"name": "odd-texts", "namespace": "default"}
    await client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": texts})
    assert (await client.get(CONFIG_MAP, "odd-texts", "default"))["data"] == texts
