"""What the window shows, as one message."""

import getpass
from collections.abc import Sequence
from typing import Literal

import msgspec
import psutil

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError
from cmdexec.version import __version__
from cmdexec.worker.capacity import machine_capacity
from cmdexec.worker.connection import Connection
from cmdexec.worker.page.activity import Entry
from cmdexec.worker.page.configuration import Problem
from cmdexec.worker.page.host import Host
from cmdexec.worker.page.jobs import JobView
from cmdexec.worker.pulse import Pulse

Phase = Literal[
    "new", "faulty", "joining", "starting", "connecting", "connected", "disconnected", "refused", "stopped",
    "restarting", "ending",
]  # fmt: skip
"""new: it never joined a server. faulty: its settings cannot be used. stopped: it ended by itself, and says why.
restarting: it begins anew when what runs has ended. The others are of a worker that runs."""


class Why(msgspec.Struct, frozen=True, rename="camel"):
    """An error, for people."""

    code: str
    message: str
    mend: str | None = None


class Machine(msgspec.Struct, frozen=True, rename="camel"):
    """How busy it is. `cpu`: share of all cores; limits None: there is none beside the machine's own."""

    cpu: float
    cores: float
    cpu_limit: float | None
    memory_bytes: int
    memory_total_bytes: int
    memory_limit_bytes: int | None


class State(msgspec.Struct, frozen=True, rename="camel"):
    """All of it but the list of what happened, of which `activity` holds what is new. `jobs` None: as they were told
    last. `slow_link`: why heartbeats come less often, if they do."""

    phase: Phase
    server: str | None
    name: str
    user: str
    version: str
    folder: str
    slots: int
    jobs: Sequence[JobView] | None
    done: int
    paused: bool
    drained: bool
    trouble: str | None
    slow_link: str | None
    why: Why | None
    next_try_ms: int | None
    wait_ms: int
    problems: Sequence[Problem]
    needs_host: bool
    close_asked: int
    machine: Machine | None = None
    activity: Sequence[Entry] = ()


class Meter:
    """How busy the machine is, looked at now and then."""

    def __init__(self, clock: Clock, look_sec: float) -> None:
        self._clock, self._look_sec = clock, look_sec
        self._looked_at = float("-inf")
        self._cpu: tuple[float, float] | None = None
        self._cores = machine_capacity().cpu
        self._last: Machine | None = None

    def look(self, host: Host) -> Machine:
        """How it is now, or was a moment ago."""
        now = self._clock.elapsed()
        if self._last is None or now - self._looked_at >= self._look_sec:
            self._looked_at, self._last = now, self._measured(host)
        return self._last

    def _measured(self, host: Host) -> Machine:
        times, memory = psutil.cpu_times(), psutil.virtual_memory()
        busy, whole = sum(times) - times.idle - getattr(times, "iowait", 0.0), sum(times)
        before = self._cpu or (0.0, 0.0)
        self._cpu = busy, whole
        share = (busy - before[0]) / (whole - before[1]) if whole > before[1] else 0.0
        settings = host.loaded.settings if host.loaded is not None else host.base
        ram = settings.ram_limit
        return Machine(
            round(min(1.0, max(0.0, share)), 3), self._cores, settings.cpu_limit,
            memory.total - memory.available, memory.total, None if ram is None else ram << 20,
        )  # fmt: skip


def state_of(host: Host, close_asked: int) -> State:
    """As it is now."""
    worker, settings = host.worker, (host.loaded.settings if host.loaded is not None else host.base)
    connection = worker.connection if worker is not None else None
    attempts = worker.attempts if worker is not None else None
    jobs = host.jobs.running()
    phase, now = _phase(host), host.runtime.clock.elapsed()
    next_at = connection.next_at if connection is not None else None
    return State(
        phase=phase, server=host.server, name=settings.worker_name, user=getpass.getuser(), version=__version__,
        folder=str(settings.data_dir), slots=settings.slots, jobs=[msgspec.structs.replace(job) for job in jobs],
        done=host.jobs.done, paused=host.paused,
        drained=attempts is not None and attempts.drained, trouble=attempts.trouble if attempts is not None else None,
        slow_link=_slow_link(worker.pulse) if worker is not None and worker.pulse.stretched else None,
        why=_why(host, connection), next_try_ms=None if next_at is None else max(0, int((next_at - now) * 1000)),
        wait_ms=int(connection.wait_sec * 1000) if connection is not None else 0, problems=host.problems,
        needs_host=any(problem.field == "ALLOW_HOST" for problem in host.problems), close_asked=close_asked,
    )  # fmt: skip


def _slow_link(pulse: Pulse) -> str:
    return (
        f"The link to the server is slow: an answer takes {pulse.round_trip_sec or 0:.1f} s,"
        f" so this worker says only each {pulse.interval_sec:.0f} s that it lives."
    )


def _phase(host: Host) -> Phase:
    connection = host.worker.connection if host.worker is not None else None
    if host.ending:
        return "ending"
    if host.stopped is not None:
        return "new" if host.is_new else "stopped"
    if host.problems:
        return "new" if host.is_new else "faulty"
    if host.again:
        return "restarting"
    if connection is None:
        joins = host.loaded is not None and host.loaded.settings.join_token is not None
        return "joining" if joins else "starting"
    if connection.online:
        return "connected"
    if connection.why is None:
        return "connecting"
    return "refused" if connection.refused else "disconnected"


def _why(host: Host, connection: Connection | None) -> Why | None:
    wrong: CmdexecError | None = host.stopped or host.waits
    if wrong is None and connection is not None and not connection.online:
        wrong = connection.why
    return None if wrong is None else Why(wrong.code, wrong.message, wrong.mend)
