"""Turns what the API server refuses into an aspect of the resource's state."""

from __future__ import annotations

from collections.abc import Coroutine

from agentos_operator import reasons
from agentos_operator.conditions import Aspect, failed
from agentos_operator.errors import ApiError, Forbidden, Invalid, NotOwned


async def attempt(type_: str, step: Coroutine[None, None, Aspect]) -> Aspect:
    """The aspect that ``step`` returns, or the one that tells why the API server kept it from holding."""
    try:
        return await step
    except NotOwned as error:
        return failed(type_, reasons.NOT_OWNED, f"{error}.", stalled=True)
    except Forbidden as error:
        return failed(type_, reasons.FORBIDDEN, f"{error}")
    except Invalid as error:
        return failed(type_, reasons.REFUSED, f"{error}", stalled=True)
    except ApiError as error:
        return Aspect(type_, None, reasons.API_UNAVAILABLE, f"{error}")
