"""The Deployment that runs a runtime, hardened after Pod Security Standard ``restricted`` and beyond."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from agentos_operator.desired.common import child
from agentos_operator.desired.pod import from_secret, hardened_container, hardened_pod, workspace_credentials
from agentos_operator.image_names import pull_policy
from agentos_operator.naming import (
    APPLICATION_ANNOTATION,
    GROUP,
    JWT_SECRET,
    METRICS_PORT,
    RUNTIME_PORT,
    deployment_labels,
    pod_selector,
)
from agentos_operator.resources.agent_deployment import AgentDeployment, EnvironmentVariable, Redis
from agentos_operator.resources.common import Object

RUNTIME = "runtime"
"""Name of the one container."""
CONFIG_DIR = "/etc/agentos"
SECRETS_DIR = "/var/run/agentos/secrets"
KNOWLEDGE_DIR = "/var/run/agentos/knowledge"

PRE_STOP_SECONDS = 5
"""Time for gateways to learn that a pod is leaving before it stops accepting."""
TERMINATION_SECONDS = PRE_STOP_SECONDS + 30 + 35
"""After preStop: up to 30 s for open streams, then up to 35 s in which agno drains background runs."""


@dataclass(frozen=True)
class PodSource:
    """What pods are started with, beside the AgentDeployment's own words."""

    image: str
    """The container image."""
    config_map: str
    """Name of the ConfigMap with the agents."""
    credentials: Mapping[str, str]
    """Ids that change with the Secrets, so that pods follow a change."""
    replicas: int | None
    """Number of pods; none (0) while suspended, None to leave it to an autoscaler."""
    runtime_class: str | None = None
    """``spec.runtimeClassName`` of the Workspace."""
    path_prefix: str = ""
    """Path below which requests arrive, such as ``/acme/support``; empty when they come without one."""


def build_deployment(deployment: AgentDeployment, workspace: str, source: PodSource) -> Object:
    """The Deployment."""
    labels = deployment_labels(deployment.name, workspace)
    built = child("apps/v1", "Deployment", deployment.name, deployment.namespace, labels, deployment.owner)
    built["spec"] = {
        **({} if source.replicas is None else {"replicas": source.replicas}),
        "revisionHistoryLimit": 5,
        "selector": {"matchLabels": pod_selector(deployment.name)},
        # A new pod answers before an old one goes, so a change drops no request.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {
            "metadata": {
                "labels": labels,
                "annotations": _annotations(deployment, source),
            },
            "spec": _pod(deployment, workspace, source),
        },
    }
    return built


def _annotations(deployment: AgentDeployment, source: PodSource) -> Object:
    ids = {pods_id_annotation(name): value for name, value in sorted(source.credentials.items())}
    return {**({APPLICATION_ANNOTATION: "true"} if deployment.is_application else {}), **ids}


def pods_id_annotation(purpose: str) -> str:
    """Annotation of a pod that tells which credentials for ``purpose`` it was started with."""
    return f"{GROUP}/{purpose}-id"


def _pod(deployment: AgentDeployment, workspace: str, source: PodSource) -> Object:
    return {
        **hardened_pod(source.runtime_class),
        "terminationGracePeriodSeconds": TERMINATION_SECONDS,
        "topologySpreadConstraints": [_spread(deployment)],
        "containers": [_container(deployment, workspace, source)],
        "volumes": [
            {"name": "config", "configMap": {"name": source.config_map}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
            *([_secrets_volume(deployment)] if deployment.file_keys else []),
            *_knowledge_volumes(deployment),
        ],
    }


def _spread(deployment: AgentDeployment) -> Object:
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": pod_selector(deployment.name)},
    }


def _container(deployment: AgentDeployment, workspace: str, source: PodSource) -> Object:
    return {
        "name": RUNTIME,
        "image": source.image,
        "imagePullPolicy": pull_policy(source.image),
        # The command that an application of the tenant's own starts with is its image's.
        **({} if deployment.is_application else {"args": ["serve"]}),
        "env": _environment(deployment, workspace, source.path_prefix),
        "ports": [
            {"name": "http", "containerPort": RUNTIME_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "resources": {
            "requests": dict(deployment.resources.requests),
            "limits": dict(deployment.resources.limits),
        },
        **hardened_container(),
        # The first successful startup probe makes the kubelet ask for readiness at once.
        "startupProbe": _probe("/livez", period=1, failures=300),
        "readinessProbe": _probe("/readyz", period=5, failures=2),
        "livenessProbe": _probe("/livez", period=10, failures=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_DIR, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own empty directory
            *([{"name": "secrets", "mountPath": SECRETS_DIR, "readOnly": True}] if deployment.file_keys else []),
            *(
                {"name": f"knowledge-{place}", "mountPath": f"{KNOWLEDGE_DIR}/{name}", "readOnly": True}
                for place, name in enumerate(deployment.config_maps)
            ),
        ],
    }


def _probe(path: str, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _environment(deployment: AgentDeployment, workspace: str, path_prefix: str) -> list[Object]:
    # Ours come last: the schema refuses their names, and a later entry wins should it ever not.
    return [
        *(_variable(variable) for variable in deployment.env),
        *_tracing(deployment, workspace),
        {"name": "HOME", "value": "/tmp"},  # noqa: S108 - the pod's own empty directory
        {"name": "AGENTOS_WORKSPACE", "value": workspace},
        {"name": "AGENTOS_DEPLOYMENT", "value": deployment.name},
        {"name": "AGENTOS_SPEC_FILE", "value": f"{CONFIG_DIR}/agent-deployment.yaml"},
        {"name": "AGENTOS_SECRETS_DIR", "value": SECRETS_DIR},
        *([{"name": "AGENTOS_KNOWLEDGE_DIR", "value": KNOWLEDGE_DIR}] if deployment.config_maps else []),
        {"name": "AGENTOS_METRICS_PORT", "value": str(METRICS_PORT)},
        *([{"name": "AGENTOS_PATH_PREFIX", "value": path_prefix}] if path_prefix else []),
        *(_redis(deployment.redis) if deployment.redis else ()),
        *workspace_credentials(),
        from_secret("AGENTOS_JWT_MAX_LIFETIME", JWT_SECRET, "max-lifetime-seconds"),
    ]


def _tracing(deployment: AgentDeployment, workspace: str) -> list[Object]:
    """OpenTelemetry's own variables (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)."""
    if deployment.tracing is None:
        return []
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": deployment.tracing.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": deployment.name,
        "OTEL_RESOURCE_ATTRIBUTES": f"service.namespace={workspace},k8s.namespace.name={deployment.namespace}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(deployment.tracing.sample_percent / 100),
        "AGENTOS_TRACING_CONTENT": "true" if deployment.tracing.content else "false",
    }
    return [{"name": name, "value": value} for name, value in variables.items()]


def _redis(redis: Redis) -> list[Object]:
    """The URL is taken out of the environment by the runtime, as the database's is."""
    authorities = redis.authorities
    file = f"{SECRETS_DIR}/{authorities.name}/{authorities.key}" if authorities else ""
    return [
        from_secret("AGENTOS_REDIS_URL", redis.url.name, redis.url.key),
        *([{"name": "AGENTOS_REDIS_CA_FILE", "value": file}] if file else []),
        {"name": "AGENTOS_EVENTS_MAX_LENGTH", "value": str(redis.events_max_length)},
    ]


def _variable(variable: EnvironmentVariable) -> Object:
    if variable.secret is None:
        return {"name": variable.name, "value": variable.value}
    return from_secret(variable.name, variable.secret.name, variable.secret.key)


def _secrets_volume(deployment: AgentDeployment) -> Object:
    """Secrets as files ``<secret>/<key>``: unlike the environment, they are not inherited by child processes."""
    sources = [
        {
            "secret": {
                "name": name,
                "items": [{"key": ref.key, "path": f"{name}/{ref.key}"} for ref in references],
            }
        }
        for name, references in groupby(deployment.file_keys, key=lambda reference: reference.name)
    ]
    return {"name": "secrets", "projected": {"defaultMode": 0o440, "sources": sources}}


def _knowledge_volumes(deployment: AgentDeployment) -> Iterator[Object]:
    """Each ConfigMap as a directory of files, which the kubelet keeps up to date; the runtime looks at them now and
    then, so that a changed text needs no new pod."""
    for place, (name, keys) in enumerate(deployment.config_maps.items()):
        items = {"items": [{"key": key, "path": key} for key in keys]} if keys else {}
        yield {"name": f"knowledge-{place}", "configMap": {"name": name, **items}}
