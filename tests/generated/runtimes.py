"""What a runtime makes of what the operator hands to it: the document of its ConfigMap, and its environment."""

from __future__ import annotations

from typing import Any

import yaml
from agno.db.sqlite import AsyncSqliteDb
from agno.knowledge.knowledge import Knowledge

from agentos_runtime.agents.compile import compile_components
from agentos_runtime.agents.models import DeferredModel
from agentos_runtime.auth.tokens import create_verifier
from agentos_runtime.errors import StartupError
from agentos_runtime.settings import settings_from
from agentos_spec import SpecError, parse_spec

Object = dict[str, Any]
_SECRET = "of-a-secret-of-thirty-two-bytes-or-more"


def refusal(config_map: Object) -> SpecError | StartupError | None:
    """What a runtime says of the document in a ConfigMap before it serves; None where it serves it."""
    (text,) = config_map["data"].values()
    try:
        spec = parse_spec(yaml.load(text, Loader=yaml.CSafeLoader))
        bodies = {each.id: Knowledge(name=each.id) for each in spec.knowledge}
        made = compile_components(spec, lambda *_: "key", AsyncSqliteDb(), bodies)
        for used in made.models:
            if isinstance(used.model, DeferredModel):
                used.model.load()
    except (SpecError, StartupError) as refused:
        return refused
    return None


def refusal_to_start(deployment: Object) -> StartupError | None:
    """What a runtime says of its environment; None where it can let callers in."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environ = {each["name"]: each.get("value", _SECRET).replace("$$", "$") for each in container["env"]}
    environ |= {
        "AGENTOS_DATABASE_URL": "postgresql://login@db/agentos",
        "AGENTOS_DATABASE_SCHEMA": "ws_1",
        "AGENTOS_JWT_MAX_LIFETIME": "3600",
        **({"AGENTOS_REDIS_URL": "rediss://redis:6379/0"} if "AGENTOS_REDIS_URL" in environ else {}),
    }
    try:
        settings = settings_from(environ)
        create_verifier(settings.auth, settings.workspace, laptop=False)
    except StartupError as refused:
        return refused
    return None
