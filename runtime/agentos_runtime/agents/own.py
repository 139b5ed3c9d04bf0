"""The catalogue of the agno that is installed, so that a document is refused here in the words of all other places."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import version

from agentos_spec import SpecError
from agentos_spec.catalogue import Catalogue, load_catalogue


@cache
def own_catalogue() -> Catalogue | None:
    """None in an image with another agno, whose constructors then say by themselves what they do not take."""
    found = load_catalogue()
    return found if found.agno == version("agno") else None


def forget_catalogue() -> None:
    """Once everything is compiled nobody asks again, and a pod need not keep it."""
    load_catalogue.cache_clear()
    own_catalogue.cache_clear()


def refuse_first(problems: Iterable[SpecError]) -> None:
    """Raise the first of them, if there is one."""
    for problem in problems:
        raise problem
