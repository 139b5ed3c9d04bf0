"""Looks around once when the operator begins to lead and then at an interval; ``service`` calls it.

When something stands elsewhere than before, all workspaces are looked at, and their policies follow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any

from agentos_operator.clients.kinds import NAMESPACE, WORKSPACE
from agentos_operator.desired.surroundings import Opening, Surroundings, configured_surroundings
from agentos_operator.errors import ApiError, ApiUnavailable
from agentos_operator.naming import workspace_of
from agentos_operator.reconcile.context import Context
from agentos_operator.reconcile.surroundings.databases import MOST_ADDRESSES, find_database
from agentos_operator.reconcile.surroundings.dns import find_dns
from agentos_operator.reconcile.surroundings.gateway import miss_proxies
from agentos_operator.reconcile.surroundings.memory import DNS, GATEWAY, Answer, Problem, subject_of
from agentos_operator.reconcile.surroundings.record import read_record, write_record
from agentos_operator.settings import Settings
from agentos_operator.workqueue import Key

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


async def look_around_first(context: Context) -> None:
    """Before any policy is written: what an earlier run knew, and a first look.

    Waits for the API server, without which no policy could be written either.
    """
    while True:
        try:
            await read_record(context, _origins(context.settings))
            break
        except ApiUnavailable:
            await asyncio.sleep(RETRY_SECONDS)
        except ApiError as error:
            logger.warning("what was known of the network cannot be read: %s", error)
            break
    await look_around(context)


async def look_around(context: Context) -> None:
    """Find out what the configuration leaves open, and have the workspaces' policies follow what has changed."""
    memory, settings = context.surroundings, context.settings
    looks = _looks(context)
    answers = dict(zip(looks, await asyncio.gather(*looks.values()), strict=True))
    problems = {subject: _learn(context, subject, answer) for subject, answer in answers.items()}
    problems[GATEWAY] = await _miss_proxies(context)
    told = {subject: problem for subject, problem in problems.items() if problem is not None}
    current = _with(configured_surroundings(settings), memory.known)
    for subject, problem in told.items():
        if problem != memory.told.get(subject):
            logger.warning("network: %s", problem.text)
    if current != memory.current or told != memory.told:
        memory.current, memory.told = current, told
        _mark_all(context)
    await write_record(context, _origins(settings))


def _origins(settings: Settings) -> dict[str, str]:
    """By subject, what is to be found out from what."""
    service = settings.network.dns.service
    dns = {} if settings.network.dns.is_given else {DNS: f"{service.namespace}/{service.name}"}
    servers = [each for each in settings.database.servers if each.network is None]
    return {**dns, **{subject_of(each.name): f"{each.host}:{each.port}" for each in servers}}


def _looks(context: Context) -> dict[str, Coroutine[Any, Any, Answer]]:
    kubernetes, settings, resolver = context.kubernetes, context.settings, context.isolation.place.resolver
    dns = settings.network.dns
    looks = {} if dns.is_given else {DNS: find_dns(kubernetes, resolver, dns.service)}
    for server in settings.database.servers:
        if server.network is None:
            looks[subject_of(server.name)] = find_database(kubernetes, resolver, server)
    return looks


async def _miss_proxies(context: Context) -> Problem | None:
    """What to tell of the Gateway's proxies; while the API server does not say, what was told before."""
    if context.settings.routing.source_namespaces:
        return None
    try:
        return await miss_proxies(context.kubernetes, context.settings.routing.gateway)
    except ApiError:
        return context.surroundings.told.get(GATEWAY)


def _learn(context: Context, subject: str, answer: Answer) -> Problem | None:
    """Take the answer up; what to tell of it.

    A look that finds nothing takes nothing away, and is told once it has been so for a while: names and the API server
    fail for moments.
    """
    memory, now = context.surroundings, context.monotonic()
    if answer.opening is not None:
        memory.missed.pop(subject, None)
        memory.known[subject] = _with_recent_addresses(context, subject, answer.opening, now)
        return answer.problem
    since = memory.missed.setdefault(subject, now)
    if subject not in memory.known or answer.problem is None:
        return answer.problem
    if now - since < context.settings.resync_seconds:
        return None
    return replace(answer.problem, text=f"{answer.problem.text} What was found earlier stays open.")


def _with_recent_addresses(context: Context, subject: str, opening: Opening, now: float) -> Opening:
    """An address that a name no longer has stays open for one resync interval.

    Names with several addresses may tell a part of them at a time, and open connections end by themselves. Never more
    than one server has: the ones seen last.
    """
    seen = context.surroundings.seen.setdefault(subject, {})
    seen |= dict.fromkeys(opening.cidrs, now)
    for address in [each for each, when in seen.items() if now - when >= context.settings.resync_seconds]:
        del seen[address]
    latest = sorted(seen, key=lambda address: (-seen[address], address))[:MOST_ADDRESSES]
    return replace(opening, cidrs=tuple(sorted(latest)))


def _with(configured: Surroundings, known: Mapping[str, Opening]) -> Surroundings:
    """What is configured, with what was found where it says nothing."""
    databases = {name: known.get(subject_of(name), opening) for name, opening in configured.databases.items()}
    return replace(configured, dns=known.get(DNS, configured.dns), databases=databases)


def _mark_all(context: Context) -> None:
    for reference in context.ledger.references(NAMESPACE.kind):
        if name := workspace_of(reference.name):
            context.mark(Key(WORKSPACE.kind, None, name))
