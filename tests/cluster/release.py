"""Changes the release under test as an administrator would, by ``helm upgrade``, and puts it back."""

from __future__ import annotations

from typing import Any

from local import demo
from tests.cluster.tenancy import Tenancy, eventually


def upgrade(tenancy: Tenancy, **sections: dict[str, Any]) -> None:
    """Upgrade with these values on top, section by section, and wait until the operator works with them."""
    demo.upgrade(tenancy.kubeconfig, demo.ensure_images(), tenancy.port, sections)
    wait_for_operator(tenancy)


def restore(tenancy: Tenancy) -> None:
    """The release as the quick start installs it."""
    demo.install(tenancy.kubeconfig, demo.ensure_images(), tenancy.port)
    wait_for_operator(tenancy)


def wait_for_operator(tenancy: Tenancy) -> None:
    """Wait until only the newest operator is left."""
    where = ("-n", demo.NAMESPACE, "--timeout=120s")
    tenancy.kubectl("rollout", "status", f"deployment/{demo.RELEASE}-operator", *where)


def wait_for_url(tenancy: Tenancy, ending: str) -> None:
    """Wait until acme's deployment is Ready at an address that ends so."""

    def is_there() -> bool:
        status = tenancy.get("agentdeployment", "support", "ws-acme").get("status", {})
        return str(status.get("url", "")).endswith(ending)

    eventually(is_there, 120)
    tenancy.wait("agentdeployment", "support", "ws-acme")
