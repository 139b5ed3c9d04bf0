"""The scripted model as a process: tests start it, and end it in the middle of answers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

QUESTION = json.dumps({"messages": [{"role": "user", "content": "wait 600 a long answer"}]})
REQUEST = (
    "POST /v1/chat/completions HTTP/1.1\r\nhost: model\r\ncontent-type: application/json\r\n"
    f"content-length: {len(QUESTION)}\r\n\r\n{QUESTION}"
)


def test_it_ends_when_told_to_although_somebody_waits_for_an_answer(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        arguments = [sys.executable, "-m", "local.fakemodel", "--port", str(port)]
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        is_served(port)
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(REQUEST.encode())
            is_served(port)  # asked later, so the question has arrived
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    finally:
        process.kill()
        process.wait()


def is_served(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=10).raise_for_status()
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
