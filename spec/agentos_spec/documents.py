"""Documents of YAML that anybody may have written; read by `parse` and `operations`."""

from __future__ import annotations

from typing import Any

import yaml

_DEEPEST = 200
"""Levels of a document."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str | bytes) -> Any:
    """The one document of `text`; a yaml.YAMLError, or a ValueError where it is nested too deep.

    libyaml builds what is inside of what by calling itself, and takes the process along where that is too much.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"has more than {_DEEPEST} levels")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506
