"""Providers that do what the scripted model cannot: fail for every question, learn from a conversation, and stall."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, ClassVar

_CODES = {"400": "context_length_exceeded", "429": "rate_limit_exceeded"}
_REMEMBER = re.compile(r"User: remember ([^\n]+)")


class _Provider(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, content = self.answer(request)
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        raise NotImplementedError

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Refuses(_Provider):
    """Fails in the way that the path names: `/429/v1/chat/completions`."""

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status = self.path.split("/")[1]
        return int(status), {"error": {"message": f"planted {status}", "type": "x", "code": _CODES.get(status)}}


class Learns(_Provider):
    """Notes what a user says behind the word `remember`, with whichever tool of agno's learning it is given."""

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        tools = {tool["function"]["name"] for tool in request.get("tools", [])}
        last = request["messages"][-1]
        told = _REMEMBER.search(str(last["content"])) if last["role"] == "user" else None
        calls = {"add_memory": {"memory": told and told[1]}, "update_profile": {"name": told and told[1]}}
        wanted = [(name, arguments) for name, arguments in calls.items() if told and name in tools]
        return 200, _calling(request, *wanted[0]) if wanted else _saying(request, "Noted.")


class Stalls(_Provider):
    """Has two numbers added, and says nothing about the sum until it may."""

    may = Event()
    asked: ClassVar[list[str]] = []
    """The roles of the last message of each question."""

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        last = request["messages"][-1]
        self.asked.append(last["role"])
        if last["role"] == "user":
            return 200, _calling(request, "add", {"a": 1, "b": 2})
        self.may.wait(120)
        return 200, _saying(request, f"It is {last['content']}")


def _calling(request: dict[str, Any], name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": f"call-{secrets.token_hex(4)}", "type": "function", "function": function}
    return _completion(request, {"role": "assistant", "tool_calls": [call]}, "tool_calls")


def _saying(request: dict[str, Any], text: str) -> dict[str, Any]:
    return _completion(request, {"role": "assistant", "content": text}, "stop")


def _completion(request: dict[str, Any], message: dict[str, Any], reason: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    about = {"id": "x", "object": "chat.completion", "created": 0, "model": request["model"]}
    return {**about, "choices": [choice], "usage": usage}


@contextmanager
def serving(provider: type[_Provider]) -> Iterator[str]:
    """Its URL, while it is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), provider) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
