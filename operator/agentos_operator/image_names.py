"""References of container images, read as the node reads them, and the list of those that tenants may run.

Used by ``settings`` (the list) and ``reconcile`` (a tenant's choice). Written here and not taken from a library,
because what matters is to be as strict as containerd and to know its short names: a prefix of text would let
``registry.example.com.evil.org/`` and ``registry.example.com/agents-evil`` pass. The grammar is that of
https://github.com/distribution/reference (regexp.go), without IPv6 addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

DOCKER_HUB = "docker.io"
ANY = "*"
"""The entry that allows every image."""

_LABEL = r"(?:[a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]{{1,5}})?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_PATH = 255
"""Characters of a repository's path, slashes included: RepositoryNameTotalLengthMax of the same package."""


@dataclass(frozen=True)
class Repository:
    """Where an image comes from: the registry's host, with its port if it is named, and the path there."""

    host: str
    path: tuple[str, ...]


def parse_image(reference: str) -> Repository | None:
    """The repository of an image reference, short names of Docker Hub completed; None when it is no reference."""
    name, at, digest = reference.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        return None
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        if not _TAG.fullmatch(tag):
            return None
        name = head
    return _repository(name.split("/"))


def _repository(parts: list[str]) -> Repository | None:
    first = parts[0].lower()
    if len(parts) == 1 or not _names_a_host(parts[0]):
        host, path = DOCKER_HUB, parts if len(parts) > 1 else ["library", *parts]
    else:
        host, path = first, parts[1:]
    if host in ("index.docker.io", DOCKER_HUB):
        host, path = DOCKER_HUB, path if len(path) > 1 else ["library", *path]
    if not _HOST.fullmatch(host) or not all(_PATH.fullmatch(part) for part in path):
        return None
    if len("/".join(path)) > _LONGEST_PATH:
        return None
    return Repository(host, tuple(path))


def _names_a_host(part: str) -> bool:
    """What tells a registry from a user of Docker Hub: a dot, a port, capitals, or the one name that has none."""
    return "." in part or ":" in part or part == "localhost" or part != part.lower()


def pull_policy(reference: str) -> str:
    """What the API server makes of an image that comes without a policy.

    It is said all the same: what it has made of one image would stay with the next, and a node would go on with a
    ``latest`` of last month (https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting).
    """
    name, digest, _ = reference.partition("@")
    _, colon, tag = name.rpartition("/")[2].rpartition(":")
    is_newest = tag == "latest" if colon else not digest
    return "Always" if is_newest else "IfNotPresent"


def check_prefix(prefix: str) -> str:
    """``prefix`` as it is, when it can stand in the list.

    Raises:
        ValueError: it cannot; the text says what to write.
    """
    host, slash, path = prefix.removesuffix("/").partition("/")
    named = prefix == ANY or (_names_a_host(host) and _HOST.fullmatch(host) and ("/" in prefix))
    if not named or (slash and not all(_PATH.fullmatch(part) for part in path.split("/"))):
        raise ValueError(
            f"{prefix!r} is no place of images: write registry.example.com/agents/ for all below it, "
            "registry.example.com/agents/one for one repository, docker.io/acme/ for Docker Hub, each in lower case "
            "and without tag; or * for every image"
        )
    return prefix


def is_allowed(reference: str, prefixes: Iterable[str]) -> bool:
    """Whether an image of this reference may run; a prefix that ends with ``/`` stands for all below it."""
    repository = parse_image(reference)
    return repository is not None and any(prefix == ANY or _covers(prefix, repository) for prefix in prefixes)


def _covers(prefix: str, repository: Repository) -> bool:
    host, *path = prefix.removesuffix("/").split("/")
    if host != repository.host:
        return False
    if not prefix.endswith("/"):
        return tuple(path) == repository.path
    return repository.path[: len(path)] == tuple(path) and len(repository.path) > len(path)
