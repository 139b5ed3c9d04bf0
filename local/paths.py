"""Where the local cluster keeps things; every other module of `local` asks here, so that no path is spelled twice.

Caches may be deleted at any time (the next `up` makes them again). A cluster's state folder holds its keys and
its database: it is created with mode 0700 and nothing in it is readable by anybody else.
"""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def _base(variable: str, default: str) -> Path:
    """An XDG base folder; a relative value is invalid by that specification and ignored."""
    value = os.environ.get(variable, "")
    base = Path(value) if value.startswith("/") else Path.home() / default
    return base / "agentos-local"


def private_folder(path: Path) -> Path:
    """Create `path` so that only its owner can look into it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def cache() -> Path:
    """What can be made again: built binaries, unpacked charts, images."""
    return private_folder(_base("XDG_CACHE_HOME", ".cache"))


def state(name: str) -> Path:
    """The state folder of the cluster `name`, which need not exist."""
    return _base("XDG_STATE_HOME", ".local/state") / name


def write_private(path: Path, text: str) -> Path:
    """Write a file that was never, not even for a moment, readable by anybody else."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.rename(path)
    return path
