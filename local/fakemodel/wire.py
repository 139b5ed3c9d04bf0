"""OpenAI's chat-completions format: a Reply as one JSON body, or as the chunks of a stream."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .script import Reply, text_of


def completion(request: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    """The whole answer in one body."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.tool_calls:
        message["tool_calls"] = _tool_calls(request, reply)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(reply)}
    return {**_head(request, "chat.completion"), "choices": [choice], "usage": _usage(request, reply)}


def chunks(request: Mapping[str, Any], reply: Reply) -> Iterator[dict[str, Any]]:
    """The answer as a stream of deltas, its usage last where the client asked for it."""
    yield _chunk(request, {"role": "assistant", "content": "" if reply.chunks else None})
    for text in reply.chunks:
        yield _chunk(request, {"content": text})
    for index, call in enumerate(_tool_calls(request, reply)):
        yield from _tool_call_chunks(request, index, call)
    yield _chunk(request, {}, finish_reason(reply))
    if (request.get("stream_options") or {}).get("include_usage"):
        yield {**_head(request, "chat.completion.chunk"), "choices": [], "usage": _usage(request, reply)}


def error(reply: Reply) -> dict[str, Any]:
    """The provider's error body."""
    kind = "server_error" if reply.status >= 500 else "invalid_request_error"
    return {"error": {"message": reply.text, "type": kind, "param": None, "code": None}}


def finish_reason(reply: Reply) -> str:
    """Why the model stopped."""
    return "tool_calls" if reply.tool_calls else "stop"


def _head(request: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-" + _digest(request),
        "object": kind,
        "created": 0,
        "model": request.get("model", "fake"),
        "system_fingerprint": "fp_fake",
    }


def _chunk(request: Mapping[str, Any], delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_head(request, "chat.completion.chunk"), "choices": [choice]}


def _tool_calls(request: Mapping[str, Any], reply: Reply) -> list[dict[str, Any]]:
    digest = _digest(request)
    return [
        {
            "id": f"call_{digest}_{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for index, call in enumerate(reply.tool_calls)
    ]


def _tool_call_chunks(request: Mapping[str, Any], index: int, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The name first, then the arguments in two pieces, as the provider splits them."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    head = {
        "index": index,
        "id": call["id"],
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    yield _chunk(request, {"tool_calls": [head]})
    half = len(arguments) // 2
    for piece in (arguments[:half], arguments[half:]):
        yield _chunk(request, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})


def _digest(request: Mapping[str, Any]) -> str:
    """An id that repeats with the conversation, so that a repeated test sees the same answer."""
    return hashlib.sha256(json.dumps(request.get("messages"), sort_keys=True).encode()).hexdigest()[:24]


def _usage(request: Mapping[str, Any], reply: Reply) -> dict[str, int]:
    """Words counted as tokens: deterministic, and near enough to look like usage."""
    messages: Sequence[Mapping[str, Any]] = request.get("messages") or []
    prompt = sum(len(text_of(message).split()) for message in messages)
    answer = len(reply.text.split()) + sum(1 + len(call.arguments.split()) for call in reply.tool_calls)
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
