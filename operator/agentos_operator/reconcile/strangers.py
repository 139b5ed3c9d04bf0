"""What others have put into an object of ours, and how it goes; pure.

A server-side apply leaves fields alone that it does not name, so an outside address of a Service or one more container
would stay. Who owns a field does not tell: defaults belong to nobody, and managedFields can be edited. Therefore our
part of the object is replaced as a whole. The API server fills in its defaults again, and when nothing of a stranger's
was there, nothing differs and nothing is written.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from agentos_operator.ledger import UNOWNED_FIELDS
from agentos_operator.naming import FIELD_MANAGER
from agentos_operator.resources.common import Object

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""How ``kubectl rollout restart`` has pods replaced; an administrator's doing that is none of a difference."""

_GIVEN_BY_THE_CLUSTER = {"Service": ("clusterIP", "clusterIPs"), "Deployment": ("replicas",)}
"""Fields that the cluster sets, each time to something else: where we do not say the number of pods, an autoscaler."""


def owned_part(body: Object) -> Object:
    """What is ours to decide of a whole object: all but its metadata and status."""
    return {key: value for key, value in body.items() if key not in UNOWNED_FIELDS}


def additions(desired: Object, live: Object) -> str:
    """A digest of what ``live`` has beyond ``desired``: the same for all objects that have the same defaults."""
    extra = _beyond(owned_part(desired), owned_part(live)) or {}
    for field in _GIVEN_BY_THE_CLUSTER.get(desired["kind"], ()):
        extra.get("spec", {}).pop(field, None)
    text = json.dumps([desired["kind"], extra], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def is_contained(desired: Object, live: Object) -> bool:
    """Whether ``live`` has all that ``desired`` says, and we own no field of it that is not said any more."""
    wanted, found = desired["metadata"], live["metadata"]
    ours = next((each for each in found.get("managedFields", ()) if _is_ours(each)), None)
    return (
        ours is not None
        and _within(owned_part(desired), owned_part(live))
        and wanted.get("ownerReferences", []) == found.get("ownerReferences", [])
        and all(_within(wanted.get(part, {}), found.get(part, {})) for part in ("labels", "annotations"))
        and _says(ours.get("fieldsV1", {}), desired)
    )


def _is_ours(entry: Object) -> bool:
    return entry["manager"] == FIELD_MANAGER and entry["operation"] == "Apply" and not entry.get("subresource")


def _says(fields: Object, desired: Any) -> bool:
    """Whether ``desired`` has every field of a set as managedFields writes it.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/#System, ``fieldsV1``
    """
    for key, inner in fields.items():
        kind, _, name = key.partition(":")
        if kind == "f":
            if not isinstance(desired, dict) or name not in desired:
                return False
            part = desired[name]
        elif kind == "k":
            part = _item(desired, json.loads(name))
        else:
            continue  # the object itself, or a value of a set, which ``_within`` has compared
        if part is None or not _says(inner, part):
            return False
    return True


def _item(items: Any, keys: Object) -> Any:
    """The item of a list with ``keys``, which the API server completes with defaults."""
    found = (each for each in items if all(each.get(key, value) == value for key, value in keys.items()))
    return next(found, None) if isinstance(items, list) else None


def _within(desired: Any, live: Any) -> bool:
    if isinstance(desired, dict) and isinstance(live, dict):
        return all(key in live and _within(value, live[key]) for key, value in desired.items())
    if isinstance(desired, list) and isinstance(live, list):
        return len(desired) == len(live) and all(map(_within, desired, live))
    return bool(desired == live)


def replacement(desired: Object, live: Object) -> list[Object]:
    """JSON Patch (RFC 6902) that makes our part of ``live`` exactly ``desired``, if it is still the same object."""
    wanted = owned_part(_with_what_may_stay(desired, live))
    gone = owned_part(live).keys() - wanted.keys()
    return [
        {"op": "test", "path": "/metadata/uid", "value": live["metadata"]["uid"]},
        *({"op": "add", "path": f"/{key}", "value": value} for key, value in wanted.items()),
        *({"op": "remove", "path": f"/{key}"} for key in sorted(gone)),
    ]


def must_be_remade(desired: Object, live: Object) -> bool:
    """Whether no write can make ``live`` as desired: what a RoleBinding grants, and what is immutable, stays so."""
    sealed = bool(live.get("immutable")) and not desired.get("immutable")
    return sealed or desired.get("roleRef") != live.get("roleRef")


def _beyond(desired: Any, live: Any) -> Any:
    """The part of ``live`` that ``desired`` does not say, None when there is none."""
    if isinstance(desired, dict) and isinstance(live, dict):
        found = {key: _beyond(desired.get(key), value) for key, value in live.items()}
        return {key: value for key, value in found.items() if value is not None} or None
    if isinstance(desired, list) and isinstance(live, list) and len(desired) == len(live):
        items = [_beyond(*pair) for pair in zip(desired, live, strict=True)]
        return items if any(item is not None for item in items) else None
    return None if desired == live else live


def _with_what_may_stay(desired: Object, live: Object) -> Object:
    """``desired`` with what others may decide: the number of pods where we do not, and when they were restarted."""
    if desired["kind"] != "Deployment":
        return desired
    spec = {key: value for key, value in live["spec"].items() if key == "replicas"} | desired["spec"]
    template = spec["template"]
    annotations = {**template["metadata"].get("annotations", {}), **_restart(live)}
    return {**desired, "spec": {**spec, "template": {**template, "metadata": _annotated(template, annotations)}}}


def _restart(deployment: Object) -> dict[str, str]:
    annotations = deployment["spec"]["template"]["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key == RESTARTED_AT}


def _annotated(template: Object, annotations: dict[str, str]) -> Object:
    metadata: Object = template["metadata"]
    return {**metadata, "annotations": annotations} if annotations else metadata
