"""A Secret's values, decoded; never logged, never part of a message."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any


def secret_values(secret: Mapping[str, Any]) -> dict[str, str]:
    """The Secret's keys and values as text; values that are no UTF-8 text count as empty."""
    return {key: _text(value) for key, value in (secret.get("data") or {}).items()}


def _text(value: str) -> str:
    try:
        return b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
