"""The one way in which this package says no."""

from __future__ import annotations

from collections.abc import Sequence


class Refused(Exception):
    """Becomes a problem document; nothing of it is secret."""

    def __init__(self, status: int, detail: str, errors: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
