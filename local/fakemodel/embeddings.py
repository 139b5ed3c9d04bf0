"""Vectors of texts: each word turned into a place of the vector by its digest, so that texts with words in common are
near each other, today and tomorrow."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

_WORD = re.compile(r"\w{3,}")


def embeddings(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to `POST /v1/embeddings`; a TypeError or ValueError where the request is none."""
    given = request["input"]
    texts = [given] if isinstance(given, str) else list(given)
    size = int(request.get("dimensions") or 1536)
    words = sum(len(text.split()) for text in texts)
    return {
        "object": "list",
        "model": request.get("model", "fake"),
        "data": [{"object": "embedding", "index": i, "embedding": vector(text, size)} for i, text in enumerate(texts)],
        "usage": {"prompt_tokens": words, "total_tokens": words},
    }


def vector(text: str, size: int) -> list[float]:
    """Of length one; a text without words has all of its places alike."""
    places = [0.0] * size
    for word in _WORD.findall(text.lower()):
        digest = hashlib.sha256(word.encode()).digest()
        places[int.from_bytes(digest[:4]) % size] += 1.0
    length = math.sqrt(sum(place * place for place in places))
    return [place / length for place in places] if length else [1 / math.sqrt(size)] * size
