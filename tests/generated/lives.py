"""Sequences of specs, lived through by the real operator side by side, and back to the first of them.

Pods, gateways and what Secrets hold are played, as in ``tests/faults``; API server and PostgreSQL are real.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from agentos_operator import reasons
from agentos_operator.image_names import parse_image
from agentos_spec import find_problems
from tests.faults.oracle import differences, final_state
from tests.faults.world import ROUND_SECONDS, World
from tests.generated.asking import Asking
from tests.generated.documents import resource, spec_of
from tests.integration.apiserver import Object, RefusedError, eventually
from tests.integration.operator.stage import condition, new_name, secret

STEPS = 3
"""Changes between the first spec and its return."""
PATIENCE = 60.0
"""Seconds until a step that does not come to rest counts as failed."""
MISSING = "0"
"""A Secret that never is there."""
PROFILES = ("small", "standard", "large")
_IMMUTABLE = ("server", "isolation", "restoreFrom")
NAMED = reasons.RUNTIME_REASONS | {
    each for name, each in vars(reasons).items() if name.isupper() and isinstance(each, str)
}
OPAQUE = {
    *(reasons.REFUSED, reasons.API_UNAVAILABLE, reasons.DATABASE_ERROR, reasons.FORBIDDEN, reasons.NOT_OWNED),
    *(reasons.CONTAINER_FAILED, reasons.POD_REFUSED, reasons.PROGRESSING),
}
"""Reasons that say that something broke, or that nobody knows what is wrong: none of them at rest after good specs."""


@dataclass
class Life:
    """One workspace and its deployment, through all their specs."""

    seed: int
    name: str
    workspaces: list[Object]
    deployments: list[Object]
    first: Any = None
    """The state at the first spec."""
    wrong: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Its Namespace."""
        return f"ws-{self.name}"


def life_of(seed: int, asking: Asking) -> Life:
    """Specs that the API server takes, with the first of them once more at the end.

    The first can be put into effect: of one that cannot, what was there before is left, which tells of the way.
    """
    r = Random(seed)
    workspaces, deployments = (_admitted(kind, r, asking) for kind in ("Workspace", "AgentDeployment"))
    first = workspaces[0].get("database") or {}
    kept = {key: first[key] for key in _IMMUTABLE if first.get(key) is not None}
    for spec in workspaces[1:]:
        others = {key: each for key, each in (spec.get("database") or {}).items() if key not in _IMMUTABLE}
        spec["database"] = kept | others
    return Life(seed, new_name("flt"), [*workspaces, workspaces[0]], [*deployments, deployments[0]])


def _admitted(kind: str, r: Random, asking: Asking) -> list[Object]:
    found: list[Object] = []
    while len(found) <= STEPS:
        body = resource(kind, spec_of(kind, r))
        if (found or _WORKS[kind](body)) and asking.create(body).accepted:
            found.append(body["spec"])
    return found


def _works_in_a_workspace(body: Object) -> bool:
    """Nothing that it names is missing, and its image is a name of one."""
    there = all(name != MISSING for name, _ in _secrets_in(body)) and "configMap" not in json.dumps(body)
    image = body["spec"].get("image")
    return there and not find_problems(body) and (image is None or parse_image(image) is not None)


def _works_by_itself(body: Object) -> bool:
    """It is on a server that there is, and its quota contradicts no profile."""
    database, quota = body["spec"].get("database") or {}, body["spec"].get("quota") or {}
    known = database.get("server") in (None, "default") and quota.get("profile") in (None, *PROFILES)
    return known and not database.get("restoreFrom") and not quota.keys() & {"requests", "limits"}


_WORKS = {"AgentDeployment": _works_in_a_workspace, "Workspace": _works_by_itself}


def live(world: World, lives: Sequence[Life]) -> None:
    """All of them, step by step; what is wrong is noted with each."""
    for step in range(STEPS + 2):
        for life in lives:
            _write(world, life, "Workspace", life.workspaces[step])
        _settle(world, lives, step)
        for life in lives:
            if world.stage.api.get("Namespace", life.place) is not None:
                if step == 0:
                    _furnish(world, life)
                _write(world, life, "AgentDeployment", life.deployments[step])
        _settle(world, lives, step)
        if step == 0:
            for life, state in zip(lives, _states_at_rest(world, lives), strict=True):
                life.first = state
    for life, state in zip(lives, _states_at_rest(world, lives), strict=True):
        back = differences(life.first, state)
        life.wrong += [f"back at the first spec it is not as before: {each}" for each in back]


def _write(world: World, life: Life, kind: str, spec: Object) -> None:
    """As a user replaces it, whole."""
    api, name = world.stage.api, life.name if kind == "Workspace" else "support"
    place = life.place if kind == "AgentDeployment" else None

    def written() -> bool:
        body = resource(kind, copy.deepcopy(spec))
        before = api.get(kind, name, place)
        body["metadata"] = before["metadata"] if before else {"name": name, **({"namespace": place} if place else {})}
        try:
            stored = _replace(world, body) if before else api.create(body)
        except RefusedError as error:
            if error.status != 409:
                life.wrong.append(f"the API server refuses the {kind}: {error}")
            return error.status != 409
        if kind == "Workspace" and before is None:
            world.know(stored)
        return True

    eventually(written, f"{kind} {name} is written")


def _replace(world: World, body: Object) -> Object:
    kind, metadata = body["kind"], body["metadata"]
    folder = f"namespaces/{metadata['namespace']}/agentdeployments" if kind == "AgentDeployment" else "workspaces"
    path = f"/apis/agentos.hyvve.io/v1alpha1/{folder}/{metadata['name']}"
    return world.stage.api.request("PUT", path, body)


def _furnish(world: World, life: Life) -> None:
    """Every Secret that any of the specs names is there, but one."""
    keys: dict[str, set[str]] = {}
    for spec in (*life.deployments, *life.workspaces):
        for name, key in _secrets_in(spec):
            keys.setdefault(name, set()).add(key)
    keys.pop(MISSING, None)
    for name, named in keys.items():
        values = {key: f"planted-{life.name}-{number}" for number, key in enumerate(sorted(named))}
        world.stage.secrets.update(values.values())
        world.stage.api.create(secret(life.place, name, **values))


def _secrets_in(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every reference to a key of a Secret."""
    if field in ("secretKeyRef", "apiKeySecretRef", "publicKeySecretRef", "urlSecretRef", "caSecretRef") and value:
        yield value["name"], value["key"]
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _secrets_in(each, name)
    for each in value if isinstance(value, list) else ():
        yield from _secrets_in(each)


def _settle(world: World, lives: Sequence[Life], step: int) -> None:
    """Wait until nothing changes any more and nobody has a complaint; note those that are left."""
    seen: dict[str, list[str]] = {}

    def rests() -> bool:
        before = dict(seen)
        for life in lives:
            _scale(world, life)
            seen[life.name] = [each["metadata"]["resourceVersion"] for each in _resources(world, life)]
        time.sleep(ROUND_SECONDS)
        return before == seen and not any(_complaints(world, life) for life in lives)

    with suppress(AssertionError):
        eventually(rests, "all has come to rest", PATIENCE)
    for life in lives:
        life.wrong += [f"step {step}: {each}" for each in _complaints(world, life)]


def _complaints(world: World, life: Life) -> list[str]:
    """Where a resource does not say what is the matter with its spec."""
    found = []
    for body in _resources(world, life):
        ready = condition(body)
        if body.get("status", {}).get("observedGeneration") != body["metadata"]["generation"]:
            found.append(f"the operator says nothing of the {body['kind']}")
        elif ready.get("reason") not in NAMED - OPAQUE:
            said = f"{ready.get('status')} {ready.get('reason')}: {ready.get('message')}"
            found.append(f"the {body['kind']} says {said[:500]}")
    return found


def _states_at_rest(world: World, lives: Sequence[Life]) -> list[Any]:
    """Everything that they have in both servers, once it stays the same."""
    last: list[Any] = []

    def rests() -> bool:
        before = last[:]
        last[:] = [_state(world, life) for life in lives]
        return before == last

    eventually(rests, "all states stay the same", PATIENCE)
    return last


def _scale(world: World, life: Life) -> None:
    """What an autoscaler does at least: it keeps the number of pods within its bounds."""
    api = world.stage.api
    for scaler in api.items("HorizontalPodAutoscaler", life.place):
        deployment = api.get("Deployment", scaler["metadata"]["name"], life.place)
        pods, least = (deployment or {}).get("spec", {}).get("replicas", 0), scaler["spec"]["minReplicas"]
        if 0 < pods != least:
            api.patch("Deployment", scaler["metadata"]["name"], {"spec": {"replicas": least}}, life.place)


def _resources(world: World, life: Life) -> list[Object]:
    api = world.stage.api
    found = api.get("Workspace", life.name), api.get("AgentDeployment", "support", life.place)
    return [body for body in found if body is not None]


def _state(world: World, life: Life) -> Any:
    """Without the history, which tells of the way and not of its end."""
    state = final_state(world, life.name)
    state["objects"] = {key: each for key, each in state["objects"].items() if not key.startswith("ControllerRevision")}
    for each in state["objects"].values():
        each.get("status", {}).pop("revision", None)
    return state
