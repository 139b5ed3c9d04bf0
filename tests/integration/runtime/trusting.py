"""The runtime as in a pod, but that it takes this machine for the Internet, and an authority of a test's for one of the
image's: `trusting.py <certificate> <arguments of agentos-runtime>`. Neither can be said to the runtime itself."""

from __future__ import annotations

import sys

import certifi

from agentos_runtime.auth import fetch
from agentos_runtime.auth.addresses import Reach
from agentos_runtime.cli import main

if __name__ == "__main__":
    authority = sys.argv.pop(1)
    certifi.where = lambda: authority
    fetch.reach_of = lambda *_, **__: Reach.LOOPBACK  # type: ignore[attr-defined]
    sys.exit(main())
