"""Runs all attempts and controls and leaves the report where the operator finds it; called by the command line."""

from __future__ import annotations

import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.isolation.contract import Targets, encode_report, parse_targets
from agentos_runtime.isolation.network import ask_dns, try_endpoints
from agentos_runtime.isolation.outcome import Attempt, Control
from agentos_runtime.isolation.postgres import try_database
from agentos_runtime.isolation.tokens import Issuer, try_tokens
from agentos_runtime.settings import Environ


@dataclass(frozen=True)
class Means:
    """What the tenant has."""

    url: str = field(repr=False)
    schema: str
    issuer: Issuer
    targets: Targets


def verify(environ: Environ, log: Path) -> int:
    """Try everything and report; the exit code is 0 whatever came of it, because the report says it."""
    began = time.monotonic()
    attempts, controls = try_all(means_from(environ))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cost = {"seconds": time.monotonic() - began, "cpuSeconds": usage.ru_utime + usage.ru_stime}
    report = encode_report(attempts, controls, cost)
    sys.stdout.write(report + "\n")
    if log.exists():
        log.write_text(report, encoding="ascii")
    return 0


def means_from(environ: Environ) -> Means:
    """The workspace's own credentials, as its runtimes get them, and the targets."""
    secrets = _value(environ, "AGENTOS_JWT_VERIFICATION_SECRETS").split()
    return Means(
        url=_value(environ, "AGENTOS_DATABASE_URL"),
        schema=_value(environ, "AGENTOS_DATABASE_SCHEMA"),
        issuer=Issuer(
            secret=secrets[0],
            issuer=_value(environ, "AGENTOS_JWT_ISSUER"),
            audience=_value(environ, "AGENTOS_JWT_AUDIENCE"),
            workspace=_value(environ, "AGENTOS_WORKSPACE"),
        ),
        targets=parse_targets(_value(environ, "AGENTOS_ISOLATION_TARGETS")),
    )


def try_all(means: Means) -> tuple[list[Attempt], list[Control]]:
    """The three families side by side: most of the time is spent waiting for packets that nobody answers."""
    targets = means.targets
    with ThreadPoolExecutor(3) as pool:
        network = pool.submit(try_endpoints, targets.endpoints)
        database = pool.submit(try_database, means.url, means.schema, targets)
        tokens = [pool.submit(try_tokens, each, targets.port, means.issuer) for each in targets.runtimes]
        attempts, controls = network.result(), [ask_dns()]
        for family in (database, *tokens):
            tried, control = family.result()
            attempts += tried
            controls.append(control)
    return attempts, controls


def _value(environ: Environ, name: str) -> str:
    value = (environ.get(name) or "").strip()
    if not value:
        raise StartupError(Reason.INVALID_SETTINGS, f"{name} is not set; the operator sets it in a probe's pod")
    return value
