"""The application: agno's AgentOS, and the layers that close what it leaves open.

From outside to inside: observers, request id and log line, path prefix, answers to browsers' questions of origin,
probes, problem documents, headers and paths, authentication, quotas, bodies, sessions' states, forms of runs, the
database gate, callers who leave, heartbeats, failed runs, the status of MCP servers and knowledge, cancellations,
approvals, schedules, agno.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agno.db.base import AsyncBaseDb, SessionType
from agno.os import AgentOS, CORSConfig, QueueConfig
from agno.os.authz import Authorization
from agno.os.scopes import get_default_scope_mappings, get_required_scopes_for_route
from agno.os.settings import AgnoAPISettings
from sqlalchemy.ext.asyncio import AsyncEngine

from agentos_runtime.agents.compile import Components, ReadSecret, compile_components, surroundings_of
from agentos_runtime.agents.models import DeferredModel
from agentos_runtime.approvals.approvers import Approvers
from agentos_runtime.approvals.claims import Claims
from agentos_runtime.approvals.continuations import Continuations, Gated
from agentos_runtime.approvals.tickets import Tickets
from agentos_runtime.asgi import App
from agentos_runtime.auth.internal import ALGORITHM, AUDIENCE, ISSUER, InternalTokens
from agentos_runtime.auth.middleware import CONTROL_PLANE, PUBLIC, Authentication, Gate
from agentos_runtime.auth.tokens import create_verifier
from agentos_runtime.database.engine import create_database, create_engine
from agentos_runtime.database.gate import DatabaseGate, watch
from agentos_runtime.database.health import Health, always, postgres_ping
from agentos_runtime.database.queue import queue_config
from agentos_runtime.http.abandoned import Abandoned
from agentos_runtime.http.bodies import Bodies
from agentos_runtime.http.config_status import ConfigStatus
from agentos_runtime.http.cors import cors
from agentos_runtime.http.envelope import Envelope
from agentos_runtime.http.failed_runs import FailedRuns
from agentos_runtime.http.heartbeat import Heartbeat
from agentos_runtime.http.prefix import PathPrefix
from agentos_runtime.http.probes import Probes
from agentos_runtime.http.problems import Problems
from agentos_runtime.http.quotas import Quotas
from agentos_runtime.http.requests import Requests
from agentos_runtime.http.run_forms import RunForms
from agentos_runtime.http.session_states import SessionStates
from agentos_runtime.observers import Observers
from agentos_runtime.schedules.records import Records
from agentos_runtime.schedules.requests import Schedules
from agentos_runtime.schedules.scheduler import Scheduler
from agentos_runtime.schedules.submission import Submission
from agentos_runtime.settings import Settings
from agentos_runtime.warmup import Warmup
from agentos_spec import Limits, Spec, guarded_parts, reviewed_by_approvers

if TYPE_CHECKING:
    from agentos_runtime.events.shared import Shared
    from agentos_runtime.knowledge.build import Library

_SCOPES_AGNO_FORGOT = {
    "GET /info": ["config:read"],
    "POST /agents/*/runs/*/resume": ["agents:run"],
    "POST /agents/*/sessions/*/fork": ["sessions:write"],
    "POST /agents/*/sessions/*/compact": ["sessions:write"],
    "POST /teams/*/runs/*/resume": ["teams:run"],
    "POST /teams/*/sessions/*/fork": ["sessions:write"],
    "POST /workflows/*/runs/*/resume": ["workflows:run"],
}
"""Routes agno's own table does not name and so leaves open to any valid token. Others that it does not name
are refused."""
_SCOPES = {**get_default_scope_mappings(), **_SCOPES_AGNO_FORGOT}


@dataclass(frozen=True)
class Application:
    """What a server needs."""

    asgi: App
    """The outermost layer."""
    warmup: Warmup
    """Tells whether the process had to give up after it began to listen."""


def create_app(
    settings: Settings,
    spec: Spec,
    *,
    read_secret: ReadSecret,
    prepared: Future[None],
    give_up: Callable[[], None],
    observers: Observers = Observers(),  # noqa: B008 - frozen
) -> Application:
    """Build everything; nothing is opened before the server's lifespan starts.

    `prepared` is done when the schema is; `give_up` is called when a failure after that ends the process.
    """
    engine = create_engine(settings.database)
    health = _health(settings, engine, prepared)
    database = create_database(settings.database, engine)
    library = _library(settings, spec, read_secret, database, engine) if spec.knowledge else None
    bases = library.bases if library else None
    components = compile_components(spec, read_secret, database, bases, surroundings_of(settings))
    observers.of_storage(settings, spec, engine, database)
    internal, public = InternalTokens(), _public(settings)
    warm = asyncio.Event()
    queue = queue_config(settings, spec.limits, database, warm)
    claims = Claims(engine, settings.database.schema)
    shared = _shared(settings, engine) if settings.redis else None
    agno = _agent_os(settings, spec, components, database, _authorization(internal, public), queue).get_app()
    tickets = Tickets(database, settings.deployment) if queue else None
    served = _approvals(Schedules(agno), spec, database, claims, tickets)
    if shared:
        served = shared.around(served)
    blocks: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "mcp_servers": lambda: [s.status() for s in components.servers],
        **({"knowledge_sources": library.status} if library else {}),
    }
    served = ConfigStatus(served, blocks)

    async def work() -> None:
        await asyncio.to_thread(_load_models, components)
        await asyncio.to_thread(observers.of_models, components)
        gc.freeze()
        gc.enable()
        await asyncio.wrap_future(prepared)
        if settings.database.is_sqlite:
            await claims.prepare()
        warm.set()
        if shared:
            shared.start()
        scheduler.start()
        if library:
            library.start()
        await _read_tables(database)

    warmup = Warmup(served, work, public, give_up)
    gate = _gate(settings, internal, public)
    submission = Submission(DatabaseGate(warmup, health, public), internal, settings.workspace, settings.deployment)
    records = Records(engine, settings.database.schema, settings.deployment)
    scheduler = Scheduler(spec.schedules, records, submission, observers.of_schedules())
    agno.state.scheduler_executor = scheduler  # where agno's route looks that begins a run now
    app = _layers(settings, spec.limits, warmup, health, gate)
    return Application(asgi=observers.of_requests(app), warmup=warmup)


def _public(settings: Settings) -> frozenset[str]:
    """Paths that are answered without a token."""
    return PUBLIC | CONTROL_PLANE if settings.auth.control_plane else PUBLIC


def _health(settings: Settings, engine: AsyncEngine, prepared: Future[None]) -> Health:
    """A laptop's file is always there, and its errors are never those of a database that is away."""

    def is_prepared() -> bool:
        return prepared.done() and prepared.exception() is None

    if settings.database.is_sqlite:
        return Health(always, is_prepared)
    health = Health(postgres_ping(settings.database), is_prepared)
    watch(engine, health)
    return health


def _load_models(components: Components) -> None:
    """Import the SDKs, and what the first token needs; nothing may run before this."""
    import jwt  # noqa: F401, PLC0415 - a start does not need it

    for used in components.models:
        if isinstance(used.model, DeferredModel):
            used.model.load()


async def _read_tables(database: AsyncBaseDb) -> None:
    """agno looks every table up when it first uses it; nothing is found and nothing is written."""
    await database.get_session(session_id="", session_type=SessionType.AGENT)


def _shared(settings: Settings, engine: AsyncEngine) -> Shared:
    """Before AgentOS, which takes over what is set. Imported here: without Redis nothing is paid for its client."""
    from agentos_runtime.events.shared import share  # noqa: PLC0415 - see above

    return share(settings, engine)


def _library(
    settings: Settings, spec: Spec, read_secret: ReadSecret, database: AsyncBaseDb, engine: AsyncEngine
) -> Library:
    """Imported here: without knowledge nothing is paid for it."""
    from agentos_runtime.knowledge.build import build_library  # noqa: PLC0415 - see above

    return build_library(settings, spec, read_secret, database, engine)


def _agent_os(
    settings: Settings,
    spec: Spec,
    components: Components,
    database: AsyncBaseDb,
    authorization: Authorization,
    queue: QueueConfig | None,
) -> AgentOS:
    """agno's part, with its own authorization as a second layer."""
    return AgentOS(
        id=settings.agent_os,
        name=spec.name,
        agents=list(components.agents),
        teams=list(components.teams),
        workflows=list(components.workflows),
        knowledge=components.knowledge,
        db=database,
        authorization=authorization,
        user_isolation=True,
        settings=AgnoAPISettings(docs_enabled=False, os_security_key=None),
        auto_provision_dbs=settings.database.is_sqlite,
        queue=queue,
        telemetry=False,
        cors=CORSConfig(origins=[]),  # ours answers before it
    )


def _approvals(app: App, spec: Spec, database: AsyncBaseDb, claims: Claims, tickets: Tickets | None) -> App:
    """agno, behind what it would believe a caller about approvals."""
    gate = Gated(guarded_parts(spec), reviewed_by_approvers(spec))
    return Approvers(Continuations(app, database, claims, gate, tickets), database, _required_scopes)


def _required_scopes(method: str, path: str) -> Sequence[str]:
    return get_required_scopes_for_route(_SCOPES, method, path)


def _authorization(internal: InternalTokens, public: frozenset[str]) -> Authorization:
    return Authorization(
        verification_keys=[internal.secret],
        algorithm=ALGORITHM,
        verify_audience=True,
        audience=AUDIENCE,
        issuer=ISSUER,
        excluded_route_paths=sorted(public),
    )


def _gate(settings: Settings, internal: InternalTokens, public: frozenset[str]) -> Gate:
    return Gate(
        verifier=create_verifier(settings.auth, settings.workspace, laptop=settings.laptop),
        internal=internal,
        required=_required_scopes,
        deployment=settings.deployment,
        public=public,
    )


def _layers(settings: Settings, limits: Limits, served: App, health: Health, gate: Gate) -> App:
    app: App = Abandoned(Heartbeat(FailedRuns(served), settings.heartbeat_seconds))
    app = RunForms(DatabaseGate(app, health, gate.public), queued=not settings.database.is_sqlite)
    app = SessionStates(app)
    app = Authentication(Quotas(Bodies(app, limits), limits), gate)
    app = Probes(Problems(Envelope(app, limits.header_bytes)), health.answers, lambda: health.is_lost)
    return Requests(PathPrefix(cors(app, settings.auth.origins), settings.path_prefix))
