"""What every pod of a workspace has in common: hardening after Pod Security Standard ``restricted``, and credentials.

The probe of isolation has it from here too: held no tighter and no looser than the runtimes it speaks for.
"""

from __future__ import annotations

from agentos_operator.naming import DATABASE_SECRET, JWT_SECRET
from agentos_operator.resources.common import Object

RUNTIME_USER = 65532
"""The unprivileged user that both images are built for."""


def hardened_pod(runtime_class: str | None) -> Object:
    """Fields of a pod's spec: no token of the cluster, no root, no list of the Namespace's Services.

    ``runtime_class`` names what the workspace's containers run on instead of the node's own container runtime
    (https://kubernetes.io/docs/concepts/containers/runtime-class/).
    """
    return {
        **({"runtimeClassName": runtime_class} if runtime_class else {}),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": RUNTIME_USER,
            "runAsGroup": RUNTIME_USER,
            "fsGroup": RUNTIME_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def hardened_container() -> Object:
    """Fields of a container: nothing to gain, nothing to write to."""
    return {
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "File",
    }


def workspace_credentials() -> list[Object]:
    """Environment variables with the workspace's database login, and with what its tokens must carry."""
    return [
        from_secret("AGENTOS_DATABASE_URL", DATABASE_SECRET, "url"),
        from_secret("AGENTOS_DATABASE_SCHEMA", DATABASE_SECRET, "schema"),
        from_secret("AGENTOS_JWT_VERIFICATION_SECRETS", JWT_SECRET, "verification-secrets"),
        from_secret("AGENTOS_JWT_ISSUER", JWT_SECRET, "issuer"),
        from_secret("AGENTOS_JWT_AUDIENCE", JWT_SECRET, "audience"),
    ]


def from_secret(variable: str, secret: str, key: str) -> Object:
    """Environment variable with the value of a key of a Secret."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
