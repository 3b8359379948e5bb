"""Running a worker from its start to its end.

It ends in this order: no more jobs are taken; what runs ends, or is handed back; what there is to say is said, or stays
in the spool while the server is away; the connection is closed; every tree of processes is gone; the folder is let go.
"""

import asyncio
import signal
from functools import partial
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.link.memory_posix import give_back_large_blocks
from cmdexec.runtime import Runtime, system_runtime
from cmdexec.settings.declare import Given
from cmdexec.settings.load import SettingsError
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.build import Worker, build
from cmdexec.worker.folder_posix import DataFolder
from cmdexec.worker.needs import needs

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Wishes:
    """How often the worker was told to end: once drains it, twice hands back what runs, three times kills that."""

    def __init__(self) -> None:
        self.count = 0
        self.came = asyncio.Event()

    def end(self) -> None:
        self.count += 1
        self.came.set()

    def end_once(self) -> None:
        """A closed terminal may say so twice, by way of the system and of the shell; that is no hurry."""
        if self.count == 0:
            self.end()


async def run_worker(
    settings: WorkerSettings, runtime: Runtime | None = None, *, stop: asyncio.Event | None = None,
    own_server: Path | None = None,
) -> int:  # fmt: skip
    """Work until told to end by TERM, INT or HUP, by `stop`, or by the settings; returns 0.

    own_server   the file in which the server that started this worker writes where it is; it is looked at before each
                 connection but the first, since the next server in that folder may listen elsewhere

    Raises CmdexecError: `bad_settings`, `in_use`, `bad_data_dir`, `no_executor`; `replaced` when another process of the
    same worker has taken its place.
    """
    runtime = runtime or system_runtime("worker", threads=2)
    url = await runtime.threads.run(partial(_checked, settings))
    give_back_large_blocks()
    loop, wishes = asyncio.get_running_loop(), _Wishes()
    for number in _SIGNALS:
        loop.add_signal_handler(number, wishes.end)
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # as nohup has it ignored
    if hangs_up:
        loop.add_signal_handler(signal.SIGHUP, wishes.end_once)
    folder = DataFolder(settings.data_dir)
    try:
        await runtime.threads.run(folder.take)
        await folder.wait_for_warden(runtime.clock, settings.folder_wait_sec, settings.folder_look_ms / 1000)
        worker = await build(url, folder, settings=settings, runtime=runtime, own_server=own_server)
        try:
            await worker.executor.open()
            await _work(worker, wishes, stop, settings, runtime)
        finally:
            worker.attempts.hand_back()  # also after a fault: no job is to blame for the worker's own end
            await worker.executor.close()
            await worker.runner.close()
            worker.spool.shut()
    finally:
        folder.release()
        for number in (*_SIGNALS, *([signal.SIGHUP] if hangs_up else [])):
            loop.remove_signal_handler(number)
    return 0


def _checked(settings: WorkerSettings) -> str:
    """The server's address. Raises SettingsError with all that a worker cannot be without."""
    values = Given()
    values.update(
        server_url=settings.server_url, allow_host=settings.allow_host, data_dir=settings.data_dir,
        worker_credential_file=settings.worker_credential_file, worker_token_secret=settings.worker_token_secret,
    )  # fmt: skip
    faults = list(needs(values))
    if settings.server_url is None or faults:
        raise SettingsError(faults)
    return settings.server_url


async def _work(
    worker: Worker, wishes: _Wishes, stop: asyncio.Event | None, settings: WorkerSettings, runtime: Runtime
) -> None:
    fault: list[CmdexecError] = []

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
            worker.turns.moved.set()

    async def wish_of(event: asyncio.Event) -> None:
        await event.wait()
        wishes.end()

    async with asyncio.TaskGroup() as tasks:
        services = [tasks.create_task(service()) for service in worker.services]
        services.append(tasks.create_task(wish()))
        if stop is not None:
            services.append(tasks.create_task(wish_of(stop)))
        connected = tasks.create_task(stay_connected())
        await _until_over(worker, wishes, fault, settings, runtime)
        worker.connection.close()
        await asyncio.wait([connected], timeout=settings.connect_timeout_sec)
        connected.cancel()
        worker.attempts.hand_back()
        await worker.executor.close()
        for service in services:
            service.cancel()
    if fault:
        raise fault[0]


async def _until_over(
    worker: Worker, wishes: _Wishes, fault: list[CmdexecError], settings: WorkerSettings, runtime: Runtime
) -> None:
    attempts, moved = worker.attempts, worker.turns.moved
    steps = (("ending", attempts.drain), ("handing back what runs", attempts.hand_back),
             ("killing what runs", attempts.kill))  # fmt: skip
    done, gone_at = 0, None
    while not fault:
        if wishes.count > done:
            done = min(wishes.count, len(steps))
            said, step = steps[done - 1]
            runtime.log.info(said, jobs=len(attempts.table))
            step()
        idle_left = _idle_left(worker, settings, runtime)
        if idle_left is not None and idle_left <= 0:
            runtime.log.info("ending, idle for long enough")
            attempts.drain()
        if attempts.draining and not attempts.runs:
            if not (attempts.table and worker.connection.online):
                return
            if done > 1:
                gone_at = runtime.clock.elapsed() if gone_at is None else gone_at
                patience = settings.hand_back_sec if done < len(steps) else 0.0
                idle_left = gone_at + patience - runtime.clock.elapsed()
                if idle_left <= 0:
                    runtime.log.warning("ending; the server does not know all yet", jobs=len(attempts.table))
                    return
        try:
            async with asyncio.timeout(idle_left):
                await moved.wait()
        except TimeoutError:
            pass
        moved.clear()


def _idle_left(worker: Worker, settings: WorkerSettings, runtime: Runtime) -> float | None:
    """Seconds after which it has to be seen whether the worker was idle for long enough; None: never."""
    attempts, bound = worker.attempts, settings.idle_timeout_sec
    if bound is None or attempts.draining:
        return None
    return bound if attempts.table else attempts.busy_at + bound - runtime.clock.elapsed()
