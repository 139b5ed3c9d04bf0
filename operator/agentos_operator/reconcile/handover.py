"""What an operator that ends in order leaves to the next one: the ConfigMap ``agentos-handover`` beside the operator.

To begin anew is no reason to look at a workspace. It is one that something of it has changed meanwhile, that its last
look had left something to do, or that the next operator would do another thing; and that its next look is due, which
stays when it was. What is handed over is taken once: an operator that was killed leaves nothing, and all is looked at.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

from pydantic import BaseModel, ConfigDict

from agentos_operator.clients.kinds import AGENT_DEPLOYMENT, CONFIG_MAP, WATCHED, WORKSPACE
from agentos_operator.desired.common import operators_config_map
from agentos_operator.errors import NotFound
from agentos_operator.naming import FIELD_MANAGER, HANDOVER_CONFIG_MAP, MANAGED_BY_LABEL, namespace_of
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.owners import resources_of, workspaces_of
from agentos_operator.resources.common import Object
from agentos_operator.sightings import Sightings
from agentos_operator.workqueue import Key

logger = logging.getLogger(__name__)

_RESOURCES = (WORKSPACE, AGENT_DEPLOYMENT)
_OURS = {MANAGED_BY_LABEL: FIELD_MANAGER}
_FIELD = "workspaces"
_LARGEST = 900_000
"""Bytes: a ConfigMap takes 1 MiB, and a workspace with one deployment about 40."""


class _Rest(BaseModel):
    """A workspace that nothing was to be done for."""

    model_config = ConfigDict(extra="forbid")

    state: str
    """Digest of all that was known of it."""
    due: dict[str, int]
    """When to look again, in seconds of the epoch: by AgentDeployment, and by an empty name the Workspace itself."""


class _Handover(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: str
    """Digest of all that decides what an operator does: its code, its configuration, its surroundings."""
    workspaces: dict[str, _Rest]


async def leave(context: Context, resting: Mapping[Key, float]) -> None:
    """Write down which workspaces are at rest; ``resting`` has the seconds until the next look.

    Raises:
        ApiError: the ConfigMap cannot be written.
    """
    now = context.now().timestamp()
    workspaces = {}
    for workspace, keys in resources_of(context.sightings):
        # As a whole: what was under way for one resource may have been about another one of the workspace.
        if workspace and all(key in resting for key in keys):
            due = {_name_of(key): int(now + resting[key]) for key in keys}
            workspaces[workspace] = _Rest(state=context.sightings.digest(workspace), due=due)
    text = _Handover(by=_by(context), workspaces=workspaces).model_dump_json()
    data = base64.b64encode(zlib.compress(text.encode())).decode()
    if len(data) > _LARGEST:
        logger.warning("%s workspaces are too many to hand over; the next operator looks at all", len(workspaces))
    else:
        await context.kubernetes.apply(_config_map(context, {_FIELD: data}))


async def take(context: Context) -> dict[Key, float]:
    """What is at rest as an operator has left it, with the seconds until its next look; all else is marked.

    Raises:
        ApiError: something cannot be read, or what was left cannot be taken away.
    """
    live = await context.kubernetes.find(CONFIG_MAP, HANDOVER_CONFIG_MAP, _namespace(context))
    text = ((live or {}).get("binaryData") or {}).get(_FIELD)
    if text is None:
        return {}
    await context.kubernetes.apply(_config_map(context, {}))
    left = _read(text)
    if left is None or left.by != _by(context):
        return {}
    context.sightings.merge(await _list_all(context))
    rests = dict(_unchanged(context, left))
    # The watches will tell of what was listed here, now or later, and it will be no news.
    for _, keys in resources_of(context.sightings):
        for key in keys:
            if key not in rests:
                context.mark(key)
    return rests


def _unchanged(context: Context, left: _Handover) -> Iterator[tuple[Key, float]]:
    now = context.now().timestamp()
    for workspace, rest in left.workspaces.items():
        if rest.state == context.sightings.digest(workspace):
            for name, due in rest.due.items():
                key = Key(AGENT_DEPLOYMENT.kind, namespace_of(workspace), name)
                yield key if name else Key(WORKSPACE.kind, None, workspace), max(0.0, due - now)


async def _list_all(context: Context) -> Sightings:
    """All that is watched; at once or not at all, because what is known of half of it would be wrong."""
    found = Sightings()
    for kind in (*_RESOURCES, *WATCHED):
        try:
            async for body in context.kubernetes.metadata(kind, {} if kind in _RESOURCES else _OURS):
                found.add(body, workspaces_of(body))
        except NotFound:
            continue  # the kind is not in this cluster
    return found


def _read(text: str) -> _Handover | None:
    try:
        return _Handover.model_validate_json(zlib.decompress(base64.b64decode(text)))
    except (ValueError, zlib.error):  # pydantic's and base64's errors are a ValueError
        return None


def _name_of(key: Key) -> str:
    return key.name if key.kind == AGENT_DEPLOYMENT.kind else ""


def _by(context: Context) -> str:
    memory = context.surroundings
    text = f"{_code()} {context.settings!r} {memory.current!r} {sorted(memory.told.items())!r}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def _code() -> str:
    """Digest of this program: builds of one version can differ."""
    found = hashlib.blake2b(version("agentos-kubernetes").encode(), digest_size=16)
    for package in ("agentos_operator", "agentos_spec"):
        for source in sorted(_sources(files(package)), key=str):
            found.update(source.read_bytes())
    return found.hexdigest()


def _sources(folder: Traversable) -> Iterator[Traversable]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _sources(each)
        elif each.name.endswith((".py", ".json")):
            yield each


def _config_map(context: Context, data: dict[str, str]) -> Object:
    return operators_config_map(HANDOVER_CONFIG_MAP, _namespace(context), binaryData=data)


def _namespace(context: Context) -> str:
    return context.settings.operator_service_account.namespace
