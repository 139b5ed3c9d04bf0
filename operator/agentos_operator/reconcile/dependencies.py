"""What an AgentDeployment needs before a pod of it can start: its Workspace, and the Secrets and ConfigMaps
that it names."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agentos_operator import reasons
from agentos_operator.clients.kinds import CONFIG_MAP, SECRET, WORKSPACE, Kind
from agentos_operator.conditions import Aspect, failed, held
from agentos_operator.desired.access import build_access
from agentos_operator.desired.secrets import (
    DATABASE_POD_KEYS,
    DATABASE_PODS_ID,
    JWT_POD_KEYS,
    JWT_PODS_ID,
    pods_id,
)
from agentos_operator.image_names import is_allowed, parse_image
from agentos_operator.naming import DATABASE_SECRET, JWT_SECRET, digest, workspace_of
from agentos_operator.reconcile.context import Context
from agentos_operator.resources.access import Access, parse_access
from agentos_operator.resources.agent_deployment import AgentDeployment
from agentos_operator.resources.common import Object, SecretKey, is_controlled_by

DEPENDENCIES_READY = "DependenciesReady"


@dataclass(frozen=True)
class Dependencies:
    """All that was found."""

    workspace: str
    """Name of the Workspace."""
    body: Object
    """The Workspace as it was read."""
    credentials: Mapping[str, str]
    """By purpose, an id that changes with the Secrets behind it, or documents; the pods carry it and follow."""
    inputs: Mapping[tuple[Kind, str], str | None]
    """Resource version by kind and name, None for what is not there: the Secrets and ConfigMaps that specs name."""
    access: Access
    """Who may sign tokens, as the Workspace has it."""
    access_variables: Sequence[Object]
    """The same for the pods' environment, with the keys that stand in Secrets."""
    aspect: Aspect
    """Says that nothing is missing; of a suspended deployment, which needs nothing, also what is."""
    suspension: str | None
    """What keeps the deployment suspended and how to end it, as a sentence; None when nothing does."""

    @property
    def suspended(self) -> bool:
        """Whether no pod may run."""
        return self.suspension is not None


async def find_dependencies(context: Context, deployment: AgentDeployment) -> Dependencies | Aspect:
    """Everything that ``deployment`` needs, or what is missing."""
    workspace = await _find_workspace(context, deployment)
    if isinstance(workspace, Aspect):
        return workspace
    name, uid = workspace["metadata"]["name"], workspace["metadata"]["uid"]
    access = parse_access(workspace["spec"])
    own, secrets = await _read_secrets(context, deployment, access)
    texts = await asyncio.gather(
        *(context.kubernetes.find(CONFIG_MAP, each, deployment.namespace) for each in deployment.config_maps)
    )
    if not all(secret and is_controlled_by(secret, uid) for secret in own):
        problem: Aspect | None = _missing(
            reasons.WORKSPACE_NOT_READY, f"Workspace {name} has no credentials yet; see its conditions."
        )
    else:
        wanted = (*access.secret_keys, *deployment.secret_keys)
        problem = (
            _image_problem(context, deployment)
            or _first_problem(wanted, secrets, deployment.namespace)
            or _config_map_problem(deployment, texts)
        )
    suspension = _suspension(deployment, workspace)
    if problem and suspension is None:
        return problem
    keys = dict(_public_keys(access, secrets))
    named = {reference.name: secrets[reference.name] for reference in deployment.secret_keys}
    documents = {
        name: text for name, text in zip(deployment.config_maps, texts, strict=True) if name in deployment.documents
    }
    credentials = {
        DATABASE_PODS_ID: pods_id(own[0], DATABASE_POD_KEYS),
        JWT_PODS_ID: pods_id(own[1], JWT_POD_KEYS),
        **({"secrets": _versions_id(named)} if named else {}),
        **({"documents": _versions_id(documents)} if documents else {}),
    }
    inputs = _inputs(SECRET, secrets) | _inputs(CONFIG_MAP, dict(zip(deployment.config_maps, texts, strict=True)))
    complete = held(DEPENDENCIES_READY, "The workspace and all Secrets and ConfigMaps are there.")
    return Dependencies(
        workspace=name,
        body=workspace,
        credentials=credentials,
        inputs=inputs,
        access=access,
        access_variables=build_access(access, keys),
        aspect=problem or complete,
        suspension=suspension,
    )


def _inputs(kind: Kind, found: Mapping[str, Object | None]) -> dict[tuple[Kind, str], str | None]:
    return {(kind, name): each["metadata"]["resourceVersion"] if each else None for name, each in found.items()}


def _public_keys(access: Access, secrets: Mapping[str, Object | None]) -> Iterator[tuple[SecretKey, str]]:
    """PEM by reference; what is no text is left to the runtime, which says so in its own words."""
    for reference in access.secret_keys:
        data = (secrets[reference.name] or {}).get("data") or {}
        try:
            yield reference, base64.b64decode(data.get(reference.key, "")).decode()
        except (binascii.Error, UnicodeDecodeError):
            yield reference, "not text"


def _suspension(deployment: AgentDeployment, workspace: Object) -> str | None:
    if workspace["spec"]["suspended"]:
        return f"Workspace {workspace['metadata']['name']} is suspended; it serves again when that ends."
    if deployment.suspended:
        return "spec.suspended is true; set it to false to serve again."
    return None


async def _read_secrets(
    context: Context, deployment: AgentDeployment, access: Access
) -> tuple[list[Object | None], dict[str, Object | None]]:
    """The workspace's two Secrets, and those that either spec names; read at once, because pods wait for it."""
    named = sorted({reference.name for reference in (*access.secret_keys, *deployment.secret_keys)})
    wanted = (DATABASE_SECRET, JWT_SECRET, *named)
    found = await asyncio.gather(*(context.kubernetes.find(SECRET, each, deployment.namespace) for each in wanted))
    return found[:2], dict(zip(named, found[2:], strict=True))


async def _find_workspace(context: Context, deployment: AgentDeployment) -> Object | Aspect:
    """The Workspace that owns the deployment's Namespace; a name alone proves nothing."""
    name = workspace_of(deployment.namespace)
    workspace = await context.kubernetes.find(WORKSPACE, name) if name else None
    if workspace is None:
        return _missing(
            reasons.NOT_IN_WORKSPACE,
            f"Namespace {deployment.namespace} belongs to no Workspace. Put the AgentDeployment into a workspace's "
            "namespace, ws-<workspace>.",
            stalled=True,
        )
    if "deletionTimestamp" in workspace["metadata"] and not workspace["spec"]["preventDeletion"]:
        return _missing(reasons.WORKSPACE_DELETING, f"Workspace {name} is being deleted.")
    owned = workspace.get("status", {}).get("namespace", {}).get("name")
    if owned != deployment.namespace:
        return _missing(
            reasons.WORKSPACE_NOT_READY,
            f"Workspace {name} has not taken over namespace {deployment.namespace}; see its conditions.",
        )
    return workspace


def _image_problem(context: Context, deployment: AgentDeployment) -> Aspect | None:
    settings, image = context.settings, deployment.image
    if image is None or image == settings.runtime_image or is_allowed(image, settings.allowed_images):
        return None
    if parse_image(image) is None:
        return _missing(
            reasons.IMAGE_NOT_ALLOWED,
            f"spec.image {image} is no reference of an image; what ran before runs on. Write one such as "
            "registry.example.com/agents/support:1.2, with at most 255 characters from the registry to the tag, or "
            "leave it out.",
            stalled=True,
        )
    allowed = ", ".join(settings.allowed_images) or "none but the operator's own"
    return _missing(
        reasons.IMAGE_NOT_ALLOWED,
        f"spec.image {image} is not allowed; what ran before runs on. Allowed are: {allowed}. Leave spec.image out, or "
        "have an administrator add its place to runtime.allowedImages.",
        stalled=True,
    )


def _first_problem(wanted: Sequence[SecretKey], secrets: Mapping[str, Object | None], namespace: str) -> Aspect | None:
    problems = (_problem(each, secrets[each.name], namespace) for each in wanted)
    return next((problem for problem in problems if problem), None)


def _problem(reference: SecretKey, secret: Object | None, namespace: str) -> Aspect | None:
    where = f"Secret {reference.name} in namespace {namespace}"
    if secret is None:
        return _missing(
            reasons.SECRET_MISSING,
            f"{where} does not exist. Create it with the key {reference.key}, or correct the reference.",
        )
    if not (secret.get("data") or {}).get(reference.key):
        return _missing(
            reasons.SECRET_KEY_MISSING,
            f"{where} has no value for the key {reference.key}. Add it, or correct the reference.",
        )
    return None


def _config_map_problem(deployment: AgentDeployment, found: Sequence[Object | None]) -> Aspect | None:
    """A pod could not even start without one."""
    for (name, keys), config_map in zip(deployment.config_maps.items(), found, strict=True):
        where = f"ConfigMap {name} in namespace {deployment.namespace}"
        if config_map is None:
            return _missing(
                reasons.CONFIG_MAP_MISSING, f"{where} does not exist. Create it, or correct what refers to it."
            )
        there = {**(config_map.get("data") or {}), **(config_map.get("binaryData") or {})}
        if lacking := [key for key in keys if key not in there]:
            return _missing(
                reasons.CONFIG_MAP_KEY_MISSING,
                f"{where} has no key {lacking[0]}. Add it, or correct what refers to it.",
            )
    return None


def _missing(reason: str, message: str, *, stalled: bool = False) -> Aspect:
    return failed(DEPENDENCIES_READY, reason, message, stalled=stalled)


def _versions_id(found: Mapping[str, Object | None]) -> str:
    """Changes with any change of Secrets or ConfigMaps; a user's values may be guessable, so they are not hashed."""
    return digest({name: each["metadata"]["resourceVersion"] if each else "" for name, each in found.items()})
