"""A workspace whose agent has knowledge and a schedule, in two pods: examples/knowledge.yaml on the scripted model."""

from __future__ import annotations

from typing import Any

import yaml

from local.paths import CHECKOUT
from tests.cluster.tenancy import model_key, workspace

NAME = "desk"
NAMESPACE = f"ws-{NAME}"
_MODEL = {"baseURL": "http://fake-model.agentos-demo.svc.cluster.local/v1"}
_EVERY_MINUTE = {"id": "digest", "cron": "* * * * *", "agent": NAME, "message": "What is new?"}


def documents() -> list[dict[str, Any]]:
    """All that is applied, at once: its Namespace is there before its Workspace."""
    text = (CHECKOUT / "examples" / "knowledge.yaml").read_text()
    texts, deployment = yaml.safe_load_all(text.replace("ws-acme", NAMESPACE))
    spec = deployment["spec"]
    spec |= {"replicas": 2, "schedules": [_EVERY_MINUTE]}
    spec["knowledge"][0]["embedder"].update(_MODEL)
    spec["agents"][0]["model"].update(_MODEL)
    labels = {"agentos.hyvve.io/workspace": NAME}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    adopting = workspace(NAME, deletionPolicy="Delete", namespace={"adopt": True})
    return [namespace, adopting, model_key(NAME), texts, deployment]
