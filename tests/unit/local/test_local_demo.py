"""The quick start's own parts; that it works as a whole is for tests/cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from agentosctl.cluster import AGENT_DEPLOYMENT, WORKSPACE, KubernetesCluster
from local import addons, demo, toolchain
from local.images import ImageArchive
from local.steps import StepFailedError
from tests.unit.agentosctl.conftest import FakeCluster, condition

FOUND = {name: ImageArchive(name, f"localhost/{name}:1-abc", "abc", Path("none")) for name in demo.IMAGES}


def resource(status: str, reason: str, message: str, *, generation: int = 1, observed: int = 1) -> dict[str, Any]:
    ready = condition("Ready", status, reason, message) | {"observedGeneration": observed}
    return {"metadata": {"generation": generation}, "status": {"conditions": [ready]}}


def test_readiness_speaks_of_this_generation_only() -> None:
    assert demo.readiness(resource("True", "Ready", "all is there"))[0]
    assert not demo.readiness(resource("True", "Ready", "all was there", generation=2))[0]
    assert demo.readiness({}) == (False, "the operator has not seen it yet")
    assert demo.readiness(resource("False", "Why", "because")) == (False, "Why: because")


def test_the_chart_takes_the_values_and_names_our_images() -> None:
    helm = toolchain.ensure(["helm"])["helm"]
    text = subprocess.run(
        [helm, "template", demo.RELEASE, demo.CHART, "-n", "x", "--kube-version", "1.34.0", "-f", "-"],
        input=yaml.safe_dump(demo.values(FOUND, 8080)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in ("agentos-operator", "agentos-runtime", "agentos-postgres"):
        assert f"localhost/{name}:1-abc" in text
    assert "pgvector/pgvector" not in text


def test_the_example_fits_the_scripted_model() -> None:
    """Names that three files must agree on, or the first question of a newcomer fails."""
    quick = list(yaml.safe_load_all(demo.EXAMPLES[0].read_text()))
    (workspace,) = (item for item in quick if item["kind"] == "Workspace")
    (secret,) = (item for item in quick if item["kind"] == "Secret")
    support = yaml.safe_load(demo.EXAMPLES[1].read_text())
    model = support["spec"]["agents"][0]["model"]
    items = list(yaml.safe_load_all(addons.manifest("fake-model", {"IMAGE": "x"})))
    (service,) = (item for item in items if item["kind"] == "Service")
    (deployment,) = (item for item in items if item["kind"] == "Deployment")
    place = service["metadata"]
    assert model["baseURL"] == f"http://{place['name']}.{place['namespace']}.svc.cluster.local/v1"
    assert model["apiKeySecretRef"] == {"name": secret["metadata"]["name"], "key": next(iter(secret["stringData"]))}
    (rule,) = workspace["spec"]["network"]["egress"]
    port = deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]
    assert rule == {"namespace": place["namespace"], "ports": [{"port": port}]}
    assert support["metadata"]["namespace"] == f"ws-{workspace['metadata']['name']}"


def test_what_never_becomes_ready_is_shown_with_its_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "READY_SECONDS", 0)
    fake = FakeCluster()
    fake.add(WORKSPACE, "acme", **resource("True", "Ready", "All is there."))
    missing = resource("False", "SecretMissing", "The Secret openai does not exist.")
    fake.add(AGENT_DEPLOYMENT, "support", "ws-acme", **missing)
    with pytest.raises(StepFailedError) as failed:
        demo.wait_ready(cast(KubernetesCluster, fake))
    assert "SecretMissing: The Secret openai does not exist." in failed.value.why
    assert "logs deployment/agentos-operator" in failed.value.advice
