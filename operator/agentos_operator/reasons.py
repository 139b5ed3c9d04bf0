"""Reasons of conditions, one CamelCase word and one sentence each; users and tools may rely on them."""

from __future__ import annotations

from typing import Final

# Workspace and AgentDeployment
READY: Final = "Ready"
"""Everything is as the spec asks for."""
WAITING: Final = "Waiting"
"""An earlier aspect must hold first; its condition tells why it does not."""
PROGRESSING: Final = "Progressing"
"""Work goes on and nothing is known to be in its way."""
NOT_OWNED: Final = "NotOwned"
"""An object of a name that we need belongs to somebody else; it was not touched."""
FORBIDDEN: Final = "Forbidden"
"""The operator lacks a right in the cluster, or the namespace takes no new objects."""
REFUSED: Final = "Refused"
"""The API server refuses an object that the spec leads to."""
API_UNAVAILABLE: Final = "APIServerUnavailable"
"""The API server could not be asked, so nothing is known."""
DELETING: Final = "Deleting"
"""The resource is on its way out."""
SUSPENDED: Final = "Suspended"
"""The resource, or its Workspace, is suspended and no pod is left; that is what was asked for."""
STOPPING: Final = "Stopping"
"""The resource, or its Workspace, is suspended and pods are on their way out."""

# Workspace
NAMESPACE_NOT_OWNED: Final = "NamespaceNotOwned"
"""A Namespace of the workspace's name exists and is not the workspace's."""
NAMESPACE_TERMINATING: Final = "NamespaceTerminating"
"""The Namespace is being deleted; the workspace goes on once it is gone."""
UNKNOWN_DATABASE_SERVER: Final = "UnknownDatabaseServer"
"""``spec.database.server`` names no server of the operator's configuration."""
DATABASE_UNAVAILABLE: Final = "DatabaseUnavailable"
"""PostgreSQL cannot be reached or does not serve now."""
DATABASE_FORBIDDEN: Final = "DatabaseForbidden"
"""PostgreSQL refuses the operator's credentials, or its role lacks a right."""
DATABASE_NOT_OWNED: Final = "DatabaseNotOwned"
"""A schema or role of the workspace's name exists and is not the workspace's."""
RESTORE_IMPOSSIBLE: Final = "RestoreImpossible"
"""What ``spec.database.restoreFrom`` names is missing, in use, or was retained with another isolation."""
DATABASE_SERVER_UNSAFE: Final = "DatabaseServerUnsafe"
"""Something weakens the isolation of tenants that only an administrator of PostgreSQL can change."""
DATABASE_BUSY: Final = "DatabaseBusy"
"""A session of the tenant holds a lock that the operator needs."""
DATABASE_ERROR: Final = "DatabaseError"
"""PostgreSQL answered with an unexpected error."""
DATABASE_RETAINED: Final = "DatabaseRetained"
"""The data was kept and its logins were closed."""
DATABASE_DROPPED: Final = "DatabaseDropped"
"""The data is gone for good."""
UNKNOWN_QUOTA_PROFILE: Final = "UnknownQuotaProfile"
"""``spec.quota.profile`` names no profile of the operator's configuration."""
INVALID_QUOTA: Final = "InvalidQuota"
"""The profile and ``spec.quota`` together request more than they allow."""
DELETION_PREVENTED: Final = "DeletionPrevented"
"""Somebody asked for the Workspace to be deleted while ``spec.preventDeletion`` is true; nothing was touched."""
ROTATION_WAITS_FOR_DATABASE: Final = "WaitingForDatabase"
"""A rotation goes on when PostgreSQL has taken the new login."""
ROTATION_WAITS_FOR_PODS: Final = "WaitingForPods"
"""A rotation goes on when the pods of the earlier credentials have been replaced."""
ROTATION_WAITS_FOR_TOKENS: Final = "WaitingForTokens"
"""A rotation goes on when tokens of the earlier signing secret have expired."""

NOT_DISCOVERED: Final = "NotDiscovered"
"""Where DNS, the gateway or the database server stands was not found out; the message says what to set."""
ISOLATED: Final = "Isolated"
"""Every attempt to reach what belongs to others failed."""
ISOLATION_BREACHED: Final = "IsolationBreached"
"""An attempt to reach what belongs to others succeeded."""
VERIFICATION_PENDING: Final = "VerificationPending"
"""No attempts were made since the workspace, or what isolates it, last changed."""
VERIFICATION_INCONCLUSIVE: Final = "VerificationInconclusive"
"""What a tenant must be able to do failed, or attempts ended in a way that proves nothing."""
PROBE_FAILED: Final = "ProbeFailed"
"""The probe's pod could not run, or what it left cannot be used."""

# AgentDeployment
NOT_IN_WORKSPACE: Final = "NotInWorkspace"
"""The AgentDeployment lies in a namespace that belongs to no Workspace."""
WORKSPACE_NOT_READY: Final = "WorkspaceNotReady"
"""The Workspace has no credentials to give yet."""
WORKSPACE_DELETING: Final = "WorkspaceDeleting"
"""The Workspace is being deleted."""
SECRET_MISSING: Final = "SecretMissing"  # noqa: S105 - a reason, not a secret
"""A Secret that the spec names does not exist."""
SECRET_KEY_MISSING: Final = "SecretKeyMissing"  # noqa: S105 - a reason, not a secret
"""A Secret that the spec names lacks the key, or the key is empty."""
CONFIG_MAP_MISSING: Final = "ConfigMapMissing"
"""A ConfigMap that the spec names, with texts of knowledge or the document of an API, does not exist."""
CONFIG_MAP_KEY_MISSING: Final = "ConfigMapKeyMissing"
"""A ConfigMap that the spec names, with texts of knowledge or the document of an API, lacks the key."""
GATEWAY_API_ABSENT: Final = "GatewayAPIAbsent"
"""The cluster has no Gateway API, or a version without HTTPRoute v1."""
ROUTE_NOT_ACCEPTED: Final = "RouteNotAccepted"
"""No Gateway has accepted the route."""
ROUTE_WITHDRAWN: Final = "RouteWithdrawn"
"""Nobody is to answer, so the gateway was given no route."""
HOST_NOT_GRANTED: Final = "HostNotGranted"
"""``spec.routing.host`` is not among the hosts that the Workspace was granted."""
HOST_RESERVED: Final = "HostReserved"
"""``spec.routing.hosts`` names the domain below which addresses are generated."""
HOST_TAKEN: Final = "HostTaken"
"""Another AgentDeployment holds ``spec.routing.host``; this one gets it when that one lets go."""
SCALED_TO_ZERO: Final = "ScaledToZero"
"""``spec.replicas`` is 0, so nobody answers; that is what was asked for."""
NO_REDIS: Final = "NoRedis"
"""There are several replicas and no ``spec.events.redis``: each can cancel and resume the runs of its own alone."""
NOT_SCALING: Final = "NotScaling"
"""The HorizontalPodAutoscaler cannot find out how many pods are needed; the message is its own."""
QUOTA_TOO_SMALL: Final = "QuotaTooSmall"
"""The workspace's quota has no room for ``spec.autoscaling.maxReplicas`` pods and the one more of a roll-out."""
MCP_SERVER_UNAVAILABLE: Final = "MCPServerUnavailable"
"""Pods cannot use the tools of an MCP server; they answer without them. The message names it and the cause."""
NOT_ANSWERED: Final = "NotAnswered"
"""Pods that are ready did not tell of themselves when the operator asked, so nothing is known."""
IMAGE_NOT_ALLOWED: Final = "ImageNotAllowed"
"""``spec.image`` comes from a place that the operator's configuration does not allow, or is no reference of an image;
what ran before runs on."""
IMAGE_PULL_FAILED: Final = "ImagePullFailed"
"""The container image cannot be pulled."""
QUOTA_EXCEEDED: Final = "QuotaExceeded"
"""The workspace's quota leaves no room for another pod."""
UNSCHEDULABLE: Final = "Unschedulable"
"""No node has room for a pod."""
CONTAINER_FAILED: Final = "ContainerFailed"
"""A runtime's container cannot start or ends again and again."""
POD_REFUSED: Final = "PodRefused"
"""The API server refuses the pod."""

# AgentDeployment, said by the check of its spec (``agentos_spec``), and by the runtime in its termination message
RUNTIME_REASONS: Final = frozenset(
    {
        "InvalidSettings",
        "InvalidSpec",
        "UnknownModelProvider",
        "ModelPackageMissing",
        "UnknownToolkit",
        "ToolkitPackageMissing",
        "UnknownHook",
        "InvalidToolOptions",
        "SecretMissing",
        "MigrationFailed",
        "SchemaNewer",
        "TracingPackageMissing",
        "VectorExtensionMissing",
    }
)
"""What a runtime may say in its last words; anything else counts as ContainerFailed."""
