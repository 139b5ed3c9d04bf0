"""`python -m local.fakemodel`: serve the scripted model (see the package's docstring)."""

from __future__ import annotations

import argparse

import uvicorn

from .server import application


def main() -> None:
    """Parse the two options there are and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="fakemodel", description="A scripted OpenAI-compatible model.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    # Whoever waits for a long answer does not keep it from ending.
    server = uvicorn.Config(
        application, options.host, options.port, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
    )
    uvicorn.Server(server).run()


if __name__ == "__main__":
    main()
