"""What a server is made of. Names things and hands them to each other; the only place that gives out the right to write
jobs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from socket import gethostname
from typing import Protocol

from cmdexec.link.socket import Limits
from cmdexec.model.job import Job
from cmdexec.runtime import Runtime
from cmdexec.server.api.about import AboutApi
from cmdexec.server.api.attempts import AttemptsApi
from cmdexec.server.api.handler import Handlers
from cmdexec.server.api.health import HealthApi
from cmdexec.server.api.workers import WorkersApi
from cmdexec.server.edge.answer import Answers
from cmdexec.server.edge.bearer import Bearer
from cmdexec.server.edge.bodies import Bodies
from cmdexec.server.edge.cors import Cors
from cmdexec.server.edge.hosts import Hosts
from cmdexec.server.edge.rest import Rest
from cmdexec.server.edge.socket import Sockets
from cmdexec.server.edge.source import Sources
from cmdexec.server.edge.static import Site, site
from cmdexec.server.folder import Folder
from cmdexec.server.identity.counted import Counted
from cmdexec.server.identity.first_admin import MadeAdmin
from cmdexec.server.identity.keys import KeyRing, key_ring
from cmdexec.server.identity.own_token import OwnToken
from cmdexec.server.identity.workers import WorkerIdentities
from cmdexec.server.job_calls import JobCalls, build_job_calls
from cmdexec.server.jobs import Jobs
from cmdexec.server.maintenance import Forget, Leases, Overdue, StoreTime
from cmdexec.server.output import Appender, Measures
from cmdexec.server.people import build_people
from cmdexec.server.perform import Perform
from cmdexec.server.ratelimit import Rates
from cmdexec.server.sharing import Sharing, open_sharing
from cmdexec.server.stores import open_store
from cmdexec.server.workers import Dispatch, Fleet, Presence, Waits
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.engine import Store
from cmdexec.store.contract.reads import Reads


class Service(Protocol):
    """A loop of the server: `run` goes on until it is cancelled."""

    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """A server, made but not started. `perform` does what is asked, whoever carries it here; `stopping` ends streams of
    output."""

    store: Store
    perform: Perform
    jobs: Jobs
    presence: Presence
    sockets: Sockets
    workers: WorkerIdentities
    own_token: OwnToken
    services: tuple[Service, ...]
    rest: Rest
    stopping: asyncio.Event
    made_admin: MadeAdmin | None


async def build(settings: ServerSettings, runtime: Runtime, folder: Folder) -> Parts:
    """Open the store and make the rest. Raises CmdexecError; then nothing is left open."""
    keys = await runtime.threads.run(lambda: key_ring(folder.path, settings.jwt_secret, runtime.secret_bytes))
    sharing = await open_sharing(settings, runtime)
    store = await open_store(settings, runtime, folder)
    try:
        if settings.mongodb_uri is None:
            return await _parts(settings, runtime, folder, keys, store, sharing)
        time = StoreTime(store.reads.health, runtime, every_sec=settings.heartbeat_sec)
        await time.look()
        parts = await _parts(settings, time.runtime, folder, keys, store, sharing)
        late = (Overdue, Forget)
        services = (time.before(one.run) if isinstance(one, late) else one for one in parts.services)
        return replace(parts, services=(time, *services))
    except BaseException:
        await store.close()
        raise


async def _parts(
    settings: ServerSettings, runtime: Runtime, folder: Folder, keys: KeyRing, store: Store, sharing: Sharing
) -> Parts:
    reads, notify, shared = store.reads, sharing.notify, settings.mongodb_uri is not None
    people = await build_people(settings, runtime, folder, keys, reads, notify)
    measures = Measures(reads.output, settings.output_hashes)
    jobs = Jobs(
        reads=reads, writes=store.jobs_write, notify=notify, runtime=runtime, settings=settings, stored=measures
    )
    appender = Appender(output=reads.output, measures=measures, notify=notify)
    presence = Presence(
        reads=reads, jobs=jobs, appender=appender, measures=measures, notify=notify, runtime=runtime, settings=settings,
        server=sharing.server,
    )  # fmt: skip
    workers = WorkersApi(reads, presence, runtime.clock).handlers()
    calls = build_job_calls(
        settings, runtime, reads, notify, jobs, workers=workers["workers.list"],
        fleet=Waits(presence.desk, reads.classes, runtime.clock, lambda: jobs.draining),
        recall=_held_here(jobs, presence) if shared else jobs.recall,
    )  # fmt: skip
    counted = Counted(Rates(settings, sharing.counters), people.workers)
    perform = Perform(
        (*_handlers(settings, runtime, reads, jobs, presence, calls, sharing), workers, *people.handlers),
        sessions=people.sessions, workers=people.workers, counted=counted, runtime=runtime,
    )  # fmt: skip
    bodies = Bodies(
        runtime.clock, each=settings.max_body_bytes, most=settings.max_bodies_bytes,
        timeout_sec=settings.body_timeout_sec,
    )  # fmt: skip
    sockets = Sockets(
        perform=perform, bodies=bodies, enrols=counted.enrols, watch_login=people.sessions.watch, presence=presence,
        live=calls.live, limits=Limits.of(settings), runtime=runtime, first_frame_sec=settings.upgrade_timeout_sec,
        each_person=settings.sockets_per_user, person_queue_bytes=settings.person_queue_bytes,
        people_queue_bytes=settings.people_queue_bytes,
    )  # fmt: skip
    fleet = Fleet(presence=presence, reads=reads, notify=notify, runtime=runtime, settings=settings)
    stopping, pages = asyncio.Event(), await site(runtime.threads, runtime.log)
    services: tuple[Service, ...] = (
        presence,
        presence.said,
        Dispatch(reads=reads, jobs=jobs, presence=presence, notify=notify, runtime=runtime, settings=settings),
        *([fleet] if shared else []),
        *sharing.services,
        Leases(reads=reads, jobs=jobs, runtime=runtime, settings=settings),
        Overdue(reads=reads, jobs=jobs, runtime=runtime, settings=settings),
        Forget(reads=reads, jobs=jobs, runtime=runtime, settings=settings),
        people.own_token,
        *people.late_admin,
        people.sessions,
        calls.live,
    )
    return Parts(
        store, perform, jobs, presence, sockets, people.workers, people.own_token, services,
        _edge(settings, runtime, perform, bodies, people.keys, sockets, stopping, pages), stopping, people.made_admin,
    )  # fmt: skip


def _held_here(jobs: Jobs, presence: Presence) -> Callable[[str], Job | None]:
    """What workers of this server hold, as it last saw it; of others' a server remembers what may be long over."""

    def recall(job_id: str) -> Job | None:
        job = jobs.recall(job_id)
        return job if job is not None and job.worker_id in presence.desk.members else None

    return recall


def _handlers(
    settings: ServerSettings, runtime: Runtime, reads: Reads, jobs: Jobs, presence: Presence, calls: JobCalls,
    sharing: Sharing,
) -> tuple[Handlers, ...]:  # fmt: skip
    def draining() -> bool:
        return jobs.draining

    health = HealthApi(
        reads.health, runtime, draining=draining, disk_reserve_bytes=settings.disk_reserve_bytes, others=sharing.checks
    )
    return (
        AboutApi(runtime.threads).handlers(),
        health.handlers(),
        *calls.handlers,
        AttemptsApi(presence, view=calls.jobs.stored).handlers(),
    )


def _edge(
    settings: ServerSettings, runtime: Runtime, perform: Perform, bodies: Bodies, keys: KeyRing, sockets: Sockets,
    stopping: asyncio.Event, pages: Site | None,
) -> Rest:  # fmt: skip
    answers = Answers(runtime.log, stopping, ping_sec=settings.stream_ping_sec)
    return Rest(
        perform=perform, bearer=Bearer(keys, runtime.clock),
        hosts=Hosts(settings.host, settings.allowed_hosts, gethostname()),
        answers=answers, serve_socket=sockets.serve, bodies=bodies, site=pages,
        sources=Sources(settings.trusted_proxies if settings.behind_tls_proxy else 0, runtime.log),
        cors=Cors(settings.cors_origins, keep_sec=settings.cors_keep_sec),
        over_tls=settings.behind_tls_proxy, hsts_sec=settings.hsts_sec,
    )  # fmt: skip
