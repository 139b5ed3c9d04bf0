"""Nodes that kwok pretends to run, beside the real one of a local cluster, and who gets there.

A taint keeps every pod off them but those of workspaces whose RuntimeClass tolerates it and selects them, which is how
platforms send tenants to nodes of their own: the operator knows nothing of it. The gateway is real, and so is the
operator's isolation probe on the real node; a pretended probe says what a real one would.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from agentos_operator.naming import NAME_LABEL, PROBE_NAME
from bench.scale import nodes
from bench.scale.world import background
from local import addons, components, toolchain
from local.api import Api, has_condition
from local.machine import Machine
from local.steps import wait_until

Object = dict[str, Any]
RUNTIME_CLASS = "pretended"
COUNT = 8
"""Room for 880 pods, four for each of the most workspaces: a replaced pod takes some time to go."""
_TAINT = {"key": nodes.MARK, "value": "fake", "effect": "NoSchedule"}
_PROBED = {
    "version": 1,
    "attempts": {"network": 1, "postgresql": 1, "token": 1},
    "breaches": [],
    "breachCount": 0,
    "inconclusive": [],
    "failedControls": [],
    "cpuSeconds": 0.1,
}
_ENDED = f"""
{{{{ $now := Now }}}}
phase: Succeeded
containerStatuses:
{{{{ range .spec.containers }}}}
- name: {{{{ .name | Quote }}}}
  image: {{{{ .image | Quote }}}}
  ready: false
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{{{ $now | Quote }}}}
      finishedAt: {{{{ $now | Quote }}}}
      message: {json.dumps(json.dumps(_PROBED))}
{{{{ end }}}}
"""


@contextmanager
def running(machine: Machine, folder: Path) -> Iterator[None]:
    """kwok and its nodes for as long as the block lasts, and with this process."""
    binaries = toolchain.ensure(("kubectl", "kwok"))
    # Nobody answers at the addresses that kwok makes up: without this they would be looked for outside the machine.
    machine.run(["ip", "route", "replace", "unreachable", components.POD_SUBNET])
    text = yaml.safe_dump_all([*documents(), runtime_class()])
    addons.kubectl_apply(binaries["kubectl"], machine.kubeconfig, text)
    command = nodes.command(binaries["kwok"], machine.kubeconfig, folder, (probe_ended(),))
    log = folder / "kwok.log"
    with background(command, log):
        wait_until(
            lambda: _are_ready(Api(machine.kubeconfig)),
            what="the pretended nodes",
            timeout=60,
            advice="The log's last lines say why.",
            log=log,
        )
        try:
            yield
        finally:
            _remove(Api(machine.kubeconfig))


def _remove(api: Api) -> None:
    """For a cluster that outlives the soak."""
    for name in [item["metadata"]["name"] for item in documents()]:
        api.request("DELETE", f"/api/v1/nodes/{name}")
    api.request("DELETE", f"/apis/node.k8s.io/v1/runtimeclasses/{RUNTIME_CLASS}")


def documents() -> list[Object]:
    """The nodes."""
    found = [item for item, _ in zip(nodes.nodes(), range(COUNT), strict=False)]
    return [{**item, "spec": {"taints": [_TAINT]}} for item in found]


def runtime_class() -> Object:
    """Puts a workspace's pods there
    (https://kubernetes.io/docs/concepts/containers/runtime-class/#scheduling)."""
    toleration = {"key": nodes.MARK, "operator": "Exists"}
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": RUNTIME_CLASS},
        "handler": "runc",
        "scheduling": {"nodeSelector": {"type": "kwok"}, "tolerations": [toleration]},
    }


def probe_ended() -> Object:
    """kwok's stage for a probe that runs."""
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": "probe-ended"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {
                "matchLabels": {NAME_LABEL: PROBE_NAME},
                "matchExpressions": [
                    {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"},
                    {"key": ".status.phase", "operator": "In", "values": ["Running"]},
                ],
            },
            "next": {"statusTemplate": _ENDED},
        },
    }


def _are_ready(api: Api) -> bool:
    found = [item for item in api.items("/api/v1/nodes") if item["metadata"]["name"].startswith("fake-")]
    return len(found) == COUNT and all(has_condition(item, "Ready") for item in found)
