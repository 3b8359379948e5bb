"""Running a worker from its start to its end.

It ends in this order: no more jobs are taken; what runs ends, or is handed back; what there is to say is said, or stays
in the spool while the server is away; the connection is closed; every tree of processes is gone; the folder is let go.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.link.memory import give_back_large_blocks
from cmdexec.link.tasks import telling_tasks
from cmdexec.runtime import Runtime, system_runtime
from cmdexec.settings.declare import Given
from cmdexec.settings.load import SETTINGS_FILE, SettingsError
from cmdexec.settings.worker import WorkerSettings
from cmdexec.system.signals import HANG_UP, hearing
from cmdexec.worker.build import Worker, build
from cmdexec.worker.ending import Wishes, until_over
from cmdexec.worker.folder import DataFolder
from cmdexec.worker.needs import needs, server_of

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Watch:
    """Somebody who runs a worker and looks at it. `wishes`: how it is told to end, in place of signals; `built` is
    given the worker before it connects, `waits` why it cannot join yet."""

    wishes: Wishes
    built: Callable[[Worker], None]
    waits: Callable[[CmdexecError], None] | None = None


@contextmanager
def told_by_signals(wishes: Wishes, *, ends_process: bool) -> Iterator[None]:
    """TERM, INT and HUP are wishes. `ends_process`: afterwards they come too late, and do nothing."""
    handlers: dict[int, Callable[[], object]] = dict.fromkeys(_SIGNALS, wishes.end)
    if HANG_UP is not None:
        handlers[HANG_UP] = wishes.end_once
    with hearing(handlers, last=ends_process):
        yield


async def run_worker(
    settings: WorkerSettings, runtime: Runtime | None = None, *, stop: asyncio.Event | None = None,
    own_server: Path | None = None, rejoin: bool = False, keeps: Mapping[str, object] | None = None,
    ends_process: bool = False, watch: Watch | None = None,
) -> int:  # fmt: skip
    """Work until told to end by TERM, INT or HUP, by `stop` or `watch`, or by the settings; returns 0.

    own_server   the file in which the server that started this worker writes where it is; it is looked at before each
                 connection but the first, since the next server in that folder may listen elsewhere
    rejoin       join with the token of the settings although it has joined before
    keeps        settings by field that it has from its joining on, if it joins now
    ends_process the process ends with it: who tells it to end too late, when all is done, does not kill it

    Raises CmdexecError: `bad_settings`, `in_use`, `bad_data_dir`, `no_executor`; `bad_join_token` and others as a
    server refuses to be joined; `forbidden` when it wants this worker no more; `replaced` when another process of the
    same worker has taken its place, `cloned` when another machine or data folder has its identity.
    """
    runtime = runtime or system_runtime("worker", threads=2)
    url = await runtime.threads.run(partial(_checked, settings, rejoin=rejoin))
    give_back_large_blocks()
    wishes = watch.wishes if watch is not None else Wishes()
    folder = DataFolder(settings.data_dir)
    told = nullcontext() if watch is not None else told_by_signals(wishes, ends_process=ends_process)
    with told, telling_tasks(runtime.log):
        try:
            await runtime.threads.run(folder.take)
            await folder.wait_for_warden(runtime.clock, settings.folder_wait_sec, settings.folder_look_ms / 1000)
            waits = watch.waits if watch is not None else None
            if await _joined(url, wishes, stop, settings, runtime, rejoin=rejoin, keeps=keeps or {}, waits=waits):
                worker = await build(url, folder, settings=settings, runtime=runtime, own_server=own_server)
                if watch is not None:
                    watch.built(worker)
                await _run(worker, wishes, stop, settings, runtime)
        finally:
            folder.release()
    return 0


def _checked(settings: WorkerSettings, *, rejoin: bool) -> str:
    """The server's address. Raises SettingsError with all that a worker cannot be without."""
    values = Given()
    values.update(
        server_url=settings.server_url, allow_host=settings.allow_host, data_dir=settings.data_dir,
        allow_containers=settings.allow_containers, docker_host=settings.docker_host,
        docker_context=settings.docker_context, engine_probe_sec=settings.engine_probe_sec,
        worker_credential_file=settings.worker_credential_file, worker_token_secret=settings.worker_token_secret,
        join_token=settings.join_token,
    )  # fmt: skip
    faults = list(needs(values, rejoin=rejoin))
    url = None if faults else server_of(settings.server_url, settings.data_dir)
    if url is None:
        raise SettingsError(faults)
    return url


async def _joined(
    url: str, wishes: Wishes, stop: asyncio.Event | None, settings: WorkerSettings, runtime: Runtime, *, rejoin: bool,
    keeps: Mapping[str, object], waits: Callable[[CmdexecError], None] | None,
) -> bool:  # fmt: skip
    """Join, if that is still to be done; finish it, if that was cut short. False: it was told to end before it could.
    Raises CmdexecError."""
    token, call = settings.join_token, runtime.threads.run
    from cmdexec.worker.joined import finish, has_credential, same_server

    finished = await call(partial(finish, settings.data_dir))
    if finished is not None:
        from cmdexec.worker.joining import tell_aside

        joined, aside = finished
        runtime.log.info("joined, as it had begun to", server=joined.server, worker=joined.worker_id)
        if aside is not None:
            tell_aside(aside, runtime)
        rejoin = rejoin and not same_server(url, joined.server)
    if token is None:
        return True
    from cmdexec.worker.joining import Joining

    known = settings.worker_credential_file is not None
    if not rejoin and (known or await call(partial(has_credential, settings.data_dir))):
        runtime.log.info("it has a credential, so the join token is not used; --rejoin would have it join anew")
        return True

    async def told() -> None:
        async with asyncio.TaskGroup() as tasks:
            stopping = [tasks.create_task(wishes.when(stop))] if stop is not None else []
            await wishes.came.wait()
            for task in stopping:
                task.cancel()

    joining = Joining(url, settings.data_dir, settings=settings, runtime=runtime, waits=waits)
    if await joining.join(token, told) is None:
        runtime.log.info("ending; it has not joined yet")
        return False
    if keeps:
        await _keep(keeps, settings.data_dir, runtime)
    return True


async def _keep(given: Mapping[str, object], folder: Path, runtime: Runtime) -> None:
    """It has joined; that its name and labels cannot be kept is told, and no reason not to work."""
    from cmdexec.worker.kept_settings import keep_settings

    why = "that file is somebody else's"
    try:
        if await runtime.threads.run(partial(keep_settings, folder, given)) is not None:
            return
    except OSError as wrong:
        why = str(wrong.strerror)
    runtime.log.warning(
        "its name and labels are not kept for its next start: give them then, or write them there",
        file=folder / SETTINGS_FILE, why=why,
    )  # fmt: skip


async def _run(
    worker: Worker, wishes: Wishes, stop: asyncio.Event | None, settings: WorkerSettings, runtime: Runtime
) -> None:
    in_order = False
    try:
        await worker.executor.open()
        await _work(worker, wishes, stop, settings, runtime)
        in_order = True
    except CmdexecError:
        in_order = True  # it says why it ends
        raise
    finally:
        worker.attempts.hand_back()  # also after a fault: no job is to blame for the worker's own end
        await worker.executor.close()
        await worker.runner.close()
        worker.spool.shut()
        await runtime.threads.run(partial(worker.box.shut, in_order=in_order))


async def _work(
    worker: Worker, wishes: Wishes, stop: asyncio.Event | None, settings: WorkerSettings, runtime: Runtime
) -> None:
    fault: list[CmdexecError] = []
    wishes.no_more = worker.attempts.drain

    async def stay_connected() -> None:
        try:
            await worker.connection.run()
        except CmdexecError as wrong:
            fault.append(wrong)
            worker.turns.moved.set()

    async def wish() -> None:
        while True:
            await wishes.came.wait()
            wishes.came.clear()
            worker.box.stopping()
            worker.turns.moved.set()

    async with asyncio.TaskGroup() as tasks:
        services = [tasks.create_task(service()) for service in worker.services]
        services.append(tasks.create_task(wish()))
        if stop is not None:
            services.append(tasks.create_task(wishes.when(stop)))
        connected = tasks.create_task(stay_connected())
        await until_over(worker, wishes, fault, settings, runtime)
        worker.connection.close()
        await asyncio.wait([connected], timeout=settings.connect_timeout_sec)
        connected.cancel()
        worker.attempts.hand_back()
        await worker.executor.close()
        for service in services:
            service.cancel()
    if fault:
        raise fault[0]
