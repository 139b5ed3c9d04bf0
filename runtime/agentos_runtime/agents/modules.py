"""Modules that an image of a tenant's own brings in packages of fixed names: agentos_tools and agentos_hooks."""

from __future__ import annotations

import importlib.util


def exists(module: str) -> bool:
    """Whether a module can be found; its package need not be there either. Whatever the package raises goes on."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        if error.name == module.partition(".")[0]:
            return False
        raise
