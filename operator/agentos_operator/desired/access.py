"""What runtimes are told of who may call them: environment variables, none of them secret.

Part of the pods' template, so a change makes new pods and the old ones answer until those are ready.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agentos_operator.desired.agent_deployment import DeploymentObjects
from agentos_operator.resources.access import Access
from agentos_operator.resources.common import Object, SecretKey


def build_access(access: Access, public_keys: Mapping[SecretKey, str]) -> list[Object]:
    """Variables for ``access``; ``public_keys`` are those that stand in Secrets."""
    issuers = [
        {**issuer.fields, **({"publicKey": public_keys[issuer.key]} if issuer.key else {})} for issuer in access.issuers
    ]
    values = {
        "AGENTOS_ISSUERS": json.dumps(issuers, sort_keys=True, separators=(",", ":")) if issuers else "",
        "AGENTOS_ALLOWED_ORIGINS": " ".join(access.origins),
    }
    return [{"name": name, "value": _literal(value)} for name, value in values.items() if value]


def _literal(value: str) -> str:
    """The kubelet would replace ``$(NAME)`` by another variable's value."""
    return value.replace("$", "$$")


def deployment_with_access(objects: DeploymentObjects, variables: Sequence[Object]) -> DeploymentObjects:
    """``objects`` whose pods know who may call them."""
    if not variables:
        return objects
    deployment = objects.deployment
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    pod = {**template["spec"], "containers": [{**container, "env": [*container["env"], *variables]}]}
    return replace(
        objects, deployment={**deployment, "spec": {**deployment["spec"], "template": {**template, "spec": pod}}}
    )
