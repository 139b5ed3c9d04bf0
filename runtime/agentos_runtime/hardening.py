"""What agents' tools must not read of their own process.

Taking secrets out of `os.environ` hides them from Python, but `/proc/<pid>/environ` still shows what the
process was started with, to every program that a tool starts under the same user.
"""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_process() -> None:
    """Close this process's environment and memory to others of its user, and keep it from dumping core."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
