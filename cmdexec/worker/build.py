"""What a worker is made of, and how its parts hang together. Names only."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import structs

from cmdexec.clock import awake
from cmdexec.link.socket import Close
from cmdexec.protocol.messages import Register
from cmdexec.runtime import Runtime, ThreadPool
from cmdexec.settings.worker import WorkerSettings
from cmdexec.system.boot import boot_id, machine_of
from cmdexec.version import PROTOCOL, __version__
from cmdexec.worker.attempts import Attempts
from cmdexec.worker.blackbox.box import BlackBox
from cmdexec.worker.capacity import Capacity
from cmdexec.worker.connection import Connection
from cmdexec.worker.conversation import Conversation
from cmdexec.worker.executors.by_order import ByOrder
from cmdexec.worker.executors.container_shape import Labels
from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.containers import ContainerExecutor
from cmdexec.worker.executors.process import ProcessExecutor
from cmdexec.worker.folder import DataFolder
from cmdexec.worker.identity import WorkerIdentity, identify
from cmdexec.worker.lease import Lease
from cmdexec.worker.line import Line
from cmdexec.worker.machine import labels, owner_of, place_of, platform_name
from cmdexec.worker.own_server import url_in
from cmdexec.worker.parts import Parts
from cmdexec.worker.polling_orders import free_slots
from cmdexec.worker.pulse import Pulse
from cmdexec.worker.runner import Runner
from cmdexec.worker.sender import Sender
from cmdexec.worker.slots import Slots
from cmdexec.worker.spool.recovery import Found, open_spool
from cmdexec.worker.spool.spool import Spool
from cmdexec.worker.turns import Turns
from cmdexec.worker.workdir import work_dir


@dataclass(frozen=True, slots=True)
class Worker:
    """The parts that `run` starts and ends."""

    attempts: Attempts
    turns: Turns
    connection: Connection
    executor: ByOrder
    runner: Runner
    spool: Spool
    pulse: Pulse
    box: BlackBox
    services: tuple[Callable[[], Coroutine[Any, Any, None]], ...]


def _executor(folder: DataFolder, labels: Labels, settings: WorkerSettings, runtime: Runtime) -> ByOrder:
    processes = ProcessExecutor(settings=settings, lock_fd=folder.warden_lock, log=runtime.log)
    works = Works(
        settings=settings, runtime=runtime, threads=ThreadPool(settings.engine_calls, "cmdexec-engine"),
        capacity=processes.capacity, labels=labels, keeper=processes,
    )  # fmt: skip
    return ByOrder(processes, ContainerExecutor(works), settings)


def _kept(folder: Path, settings: WorkerSettings, runtime: Runtime) -> tuple[Spool, list[Found], BlackBox]:
    """Blocking: what this folder holds of earlier processes. Raises CmdexecError."""
    boot = boot_id()
    spool, found = open_spool(folder / "spool", boot, settings=settings, runtime=runtime)
    box = BlackBox(folder, boot, awake=awake, settings=settings, runtime=runtime)
    box.open()
    return spool, found, box


def _introduced(
    who: WorkerIdentity, session: str, slots: int, capacity: Capacity, lock: int, settings: WorkerSettings,
    runtime: Runtime,
) -> Register:  # fmt: skip
    """What it says of itself whatever happens to it."""
    return Register(
        worker_id=who.worker_id, session=session, instance_id=runtime.ids.new(), name=settings.worker_name,
        version=__version__, protocol=PROTOCOL, platform=platform_name(), slots=slots,
        place=place_of(lock), machine=machine_of(lock), boot=boot_id().hex(),
        cpu=capacity.cpu, ram_mb=capacity.ram_mb, labels=labels(settings.labels),
    )  # fmt: skip


async def build(
    url: str, folder: DataFolder, *, settings: WorkerSettings, runtime: Runtime, own_server: Path | None = None
) -> Worker:
    """A worker for the server at `url` in a folder that is ours; `own_server`: the file that says where that server is
    now. Raises CmdexecError."""
    call = runtime.threads.run
    who = await call(partial(identify, settings, runtime.ids))
    spool, found, box = await call(partial(_kept, folder.path, settings, runtime))
    marks = Labels(owner_of(folder.path), url, who.worker_id or spool.session, spool.session)
    executor = _executor(folder, marks, settings, runtime)
    processes = executor.processes
    work = await call(partial(work_dir, settings.work_dir, settings.data_dir, runtime.log))
    runner = Runner(executor, work, settings=settings, runtime=runtime)
    sender = Sender(spool, settings=settings, runtime=runtime)
    parts = Parts(processes.capacity, settings.fit_patience_sec)
    most = settings.slots if settings.max_jobs is None else min(settings.slots, settings.max_jobs)
    slots = Slots(most, parts, ahead_max=settings.start_ahead_max, patience_sec=settings.start_ahead_patience_ms / 1000)
    lease = Lease(settings=settings, runtime=runtime)
    pulse = Pulse(lease, settings=settings, runtime=runtime)
    lease.renewed_until = executor.renewed
    turns = Turns(spool, slots, sender, runner, lease, settings=settings, runtime=runtime)
    attempts = Attempts(
        spool, slots, sender, runner, lease, turns, known_max=settings.known_attempts_max, runtime=runtime
    )
    for one in found:
        attempts.adopt(one)
    me = _introduced(who, spool.session, slots.size, processes.capacity, folder.lock, settings, runtime)

    lines: list[Line] = []

    def converse(line: Line, way: str) -> Conversation:
        lines[:] = [line]
        now = structs.replace(me, limits=processes.limits, executors=executor.names, absences=box.absences())
        return Conversation(
            line, way, now, attempts=attempts, slots=slots, sender=sender,
            lease=lease, pulse=pulse, box=box, settings=settings, runtime=runtime,
        )  # fmt: skip

    def register_again(why: str) -> None:
        for line in lines:
            line.close(Close.GOING_AWAY, f"{why}; it registers again.")

    def disconnected() -> None:
        lines.clear()
        box.disconnected()
        sender.disconnected()
        attempts.disconnected()
        turns.moved.set()

    connection = Connection(
        url, who, converse, lease=lease, holds=lambda: bool(attempts.table),
        free=partial(free_slots, attempts.table, slots, runtime.clock), disconnected=disconnected,
        where=None if own_server is None else partial(url_in, own_server), settings=settings, runtime=runtime,
    )  # fmt: skip
    executor.containers.changed = partial(register_again, "What this worker can run has changed")
    box.hole = partial(register_again, "This worker stood still for long")
    services = (spool.run, sender.run, runner.run, lease.run, executor.containers.run, box.run)
    return Worker(attempts, turns, connection, executor, runner, spool, pulse, box, services)
