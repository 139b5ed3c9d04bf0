"""Which milestones on the way to an answer an object of the API shows; pure, the names are those of the details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ORDER = (
    "applied",
    "namespace rights",
    "jwt secret",
    "database secret",
    "workspace ready",
    "deployment created",
    "route created",
    "pod created",
    "pod scheduled",
    "process started",
    "listening",
    "container running",
    "startup probe passed",
    "route accepted",
    "pod ready",
    "endpoint ready",
    "agent ready",
    "gateway knows the route",
    "request let through",
    "answered",
)
"""As they usually come; what a round did not see it does not list."""


def milestones(item: Mapping[str, Any]) -> Iterator[str]:
    """What `item` shows."""
    match item["kind"]:
        case "RoleBinding":
            yield "namespace rights"
        case "Secret":
            yield from _secret(item["metadata"]["name"])
        case "Workspace":
            yield from ["workspace ready"] * _holds(item, "Ready")
        case "AgentDeployment":
            yield from ["agent ready"] * _holds(item, "Ready")
        case "Deployment":
            yield "deployment created"
        case "HTTPRoute":
            yield "route created"
            parents = item.get("status", {}).get("parents", [])
            yield from ["route accepted"] * any(_holds({"status": parent}, "Accepted") for parent in parents)
        case "Pod":
            yield from _pod(item)
        case "EndpointSlice":
            endpoints = item.get("endpoints") or []
            yield from ["endpoint ready"] * any(one.get("conditions", {}).get("ready") for one in endpoints)


def _secret(name: str) -> Iterator[str]:
    known = {"agentos-jwt": "jwt secret", "agentos-database": "database secret"}
    if name in known:
        yield known[name]


def _pod(pod: Mapping[str, Any]) -> Iterator[str]:
    yield "pod created"
    if _holds(pod, "PodScheduled"):
        yield "pod scheduled"
    for container in pod.get("status", {}).get("containerStatuses", []):
        if "running" in container.get("state", {}):
            yield "container running"
        if container.get("started"):
            yield "startup probe passed"
    if _holds(pod, "Ready"):
        yield "pod ready"


def _holds(item: Mapping[str, Any], kind: str) -> bool:
    conditions = item.get("status", {}).get("conditions") or []
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)
