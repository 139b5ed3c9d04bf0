"""The last words of a process that cannot serve, where Kubernetes and the operator look for them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from agentos_runtime.errors import StartupError
from agentos_spec import SpecError

DEFAULT = Path("/dev/termination-log")


def report(error: StartupError | SpecError, path: Path) -> None:
    """One JSON line into the termination log where there is one, and on stderr always."""
    line = json.dumps({"reason": error.reason, "message": error.message[:2000]}, ensure_ascii=False)
    sys.stderr.write(line + "\n")
    if path == DEFAULT and not path.exists():
        return  # not in a pod, where Kubernetes has put the file there
    try:
        path.write_text(line + "\n", encoding="utf-8")
    except OSError:
        return  # stderr has it
