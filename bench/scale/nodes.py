"""Nodes without a kubelet: kwok reports their pods as Running, and accepts HTTPRoutes in the place of a gateway."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from local import gobuild

Object = dict[str, Any]
MODULE = ("sigs.k8s.io/kwok", "v0.8.0")
STAGES = ("node/fast/node-initialize", "pod/fast/pod-ready", "pod/fast/pod-delete")
MARK = "kwok.x-k8s.io/node"
COUNT = 20
"""Enough for 2,000 pods: the scheduler counts at most 110 to a node."""

_ACCEPTED = """
{{ $now := Now }}
{{ $generation := .metadata.generation }}
parents:
{{ range .spec.parentRefs }}
- parentRef:
    group: {{ .group | Quote }}
    kind: {{ .kind | Quote }}
    name: {{ .name | Quote }}
    namespace: {{ .namespace | Quote }}
  controllerName: bench.agentos.hyvve.io/gateway
  conditions:
  - type: Accepted
    status: "True"
    reason: Accepted
    message: ""
    observedGeneration: {{ $generation }}
    lastTransitionTime: {{ $now | Quote }}
  - type: ResolvedRefs
    status: "True"
    reason: ResolvedRefs
    message: ""
    observedGeneration: {{ $generation }}
    lastTransitionTime: {{ $now | Quote }}
{{ end }}
"""


def command(kwok: Path, kubeconfig: Path, folder: Path, more: Sequence[Object] = ()) -> list[str]:
    """kwok's command line; its configuration, `more` stages included, is written into `folder`."""
    stages = folder / "stages.yaml"
    stages.write_text("---\n".join([*_published_stages(), *map(yaml.safe_dump, more)]))
    return [
        str(kwok),
        f"--kubeconfig={kubeconfig}",
        f"--config={stages}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={MARK}=fake",
        "--node-lease-duration-seconds=40",
    ]


def nodes() -> Sequence[Object]:
    """The nodes themselves."""
    room = {"cpu": "1000", "memory": "4Ti", "pods": "110"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"fake-{number}", "annotations": {MARK: "fake"}, "labels": {"type": "kwok"}},
            "status": {"allocatable": room, "capacity": room},
        }
        for number in range(COUNT)
    ]


def _published_stages() -> list[str]:
    folder = gobuild.module_folder(*MODULE) / "kustomize" / "stage"
    return [(folder / f"{name}.yaml").read_text().rstrip() + "\n" for name in STAGES]


def accept_routes() -> Object:
    """kwok's stage for HTTPRoutes, where there is no gateway."""
    unanswered = {"key": ".status.parents.[].controllerName", "operator": "DoesNotExist"}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": "httproute-accepted"},
        "spec": {
            "resourceRef": {"apiGroup": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"},
            "selector": {"matchExpressions": [unanswered]},
            "next": {"statusTemplate": _ACCEPTED},
        },
    }
