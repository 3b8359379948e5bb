"""A server's life: start in this order, run, stop in that order.

Start: folder, keys, store, first admin, services, port, `runtime.json`. Stop: no new jobs (503), workers told, the
local worker ended, sockets closed (1001) and streams broken off, requests finished, services cancelled, store closed,
folder let go. A second signal skips the waiting.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cmdexec.errors import CmdexecError
from cmdexec.link.listen import Bounds, Entrance, Listener, listen
from cmdexec.runtime import Runtime, system_runtime
from cmdexec.server.build import Parts, build
from cmdexec.server.edge.answer import FULL, malformed
from cmdexec.server.folder import RUNTIME, Folder
from cmdexec.server.identity.first_admin import MadeAdmin
from cmdexec.server.reach import others_url
from cmdexec.server.signals import ending
from cmdexec.settings.server import ServerSettings

if TYPE_CHECKING:
    from cmdexec.server.workers.local import LocalWorker


@dataclass(frozen=True, slots=True)
class WithWorker:
    """Keep a worker on this machine. `command` starts one; its folder and where the server is are added."""

    command: Sequence[str]


@dataclass(frozen=True, slots=True)
class Listening:
    """The server takes requests. `sockets_url`: the port for sockets alone, if there is one. `others_url`: how other
    machines reach it, None if they cannot. `made_admin`: the first admin, if it was made at this start; its password,
    if one was made up, is told here once and nowhere else."""

    url: str
    host: str
    port: int
    sockets_url: str | None
    made_admin: MadeAdmin | None = None
    others_url: str | None = None


async def serve(
    settings: ServerSettings,
    runtime: Runtime | None = None,
    *,
    ready: Callable[[Listening], None] | None = None,
    stop: asyncio.Event | None = None,
    with_worker: WithWorker | None = None,
) -> int:
    """Run a server until SIGTERM, SIGINT or `stop`; returns 0 after a clean stop, 1 if it was cut short or failed.

    ready        called once, when requests are taken
    with_worker  keep a worker on this machine

    Raises CmdexecError if it cannot start: `in_use`, `bad_data_dir`, `bad_settings`, …
    """
    from cmdexec.link.descriptors import room
    from cmdexec.link.memory import give_back_large_blocks
    from cmdexec.link.tasks import telling_tasks
    from cmdexec.server.opening import open_folder

    give_back_large_blocks()
    own = runtime is None
    runtime = runtime if runtime is not None else system_runtime("server")
    stop = stop if stop is not None else asyncio.Event()
    hurry = asyncio.Event()
    try:
        with ending(stop, hurry), telling_tasks(runtime.log):
            settings = replace(settings, max_connections=room(settings.max_connections, runtime.log))
            folder = await runtime.threads.run(partial(open_folder, settings.data_dir))
            try:
                parts = await build(settings, runtime, folder)
                try:
                    return await _Server(settings, runtime, folder, parts).run(stop, hurry, ready, with_worker)
                finally:
                    await parts.store.close()
            finally:
                folder.close()
    finally:
        if own:
            runtime.threads.close()


class _Server:
    def __init__(self, settings: ServerSettings, runtime: Runtime, folder: Folder, parts: Parts) -> None:
        self._settings = settings
        self._runtime = runtime
        self._folder = folder
        self._parts = parts

    async def run(
        self,
        stop: asyncio.Event,
        hurry: asyncio.Event,
        ready: Callable[[Listening], None] | None,
        with_worker: WithWorker | None,
    ) -> int:
        try:
            async with asyncio.TaskGroup() as tasks:
                services = [tasks.create_task(one.run(), name=type(one).__name__) for one in self._parts.services]
                clean = await self._serve(tasks, await self._open(), stop, hurry, ready, with_worker)
                for service in services:
                    service.cancel()
        except ExceptionGroup as faults:
            if len(faults.exceptions) == 1 and isinstance(faults.exceptions[0], CmdexecError):
                raise faults.exceptions[0] from None
            self._runtime.log.error("the server failed", exc=faults)
            return 1
        return 0 if clean else 1

    async def _open(self) -> Listener:
        entrances = [Entrance(self._settings.port, self._parts.rest.handle)]
        if self._settings.ws_port is not None:
            entrances.append(Entrance(self._settings.ws_port, self._parts.rest.handle_socket, "WS_PORT"))
        return await listen(
            *entrances, host=self._settings.host, bounds=Bounds.of(self._settings), malformed=malformed, full=FULL,
            drain_sec=self._settings.server_drain_sec,
        )  # fmt: skip

    async def _serve(
        self, tasks: asyncio.TaskGroup, door: Listener, stop: asyncio.Event, hurry: asyncio.Event,
        ready: Callable[[Listening], None] | None, with_worker: WithWorker | None,
    ) -> bool:  # fmt: skip
        local: LocalWorker | None = None
        keeping: asyncio.Task[None] | None = None
        try:
            if with_worker is not None:
                local = self._local(with_worker, door)
                keeping = tasks.create_task(local.run(), name="local worker")
            reach = others_url(
                door.host, door.port, url=door.url, behind_tls_proxy=self._settings.behind_tls_proxy
            )  # fmt: skip
            write = partial(self._folder.write_runtime, door.url, door.sockets_url, reach)
            await self._parts.own_token.begin(write)
            self._runtime.log.info("the server takes requests", url=door.url)
            if door.sockets_url is not None:
                self._runtime.log.info("sockets have a port of their own as well", url=door.sockets_url)
            if ready is not None:
                ready(Listening(door.url, door.host, door.port, door.sockets_url, self._parts.made_admin, reach))
            await stop.wait()
            return await self._drain(tasks, door, local, hurry)
        finally:
            self._parts.stopping.set()
            self._parts.sockets.close()
            if local is not None and keeping is not None:
                local.close()
                keeping.cancel()
            await self._runtime.threads.run(self._folder.remove_runtime)
            await door.cut()

    def _local(self, with_worker: WithWorker, door: Listener) -> "LocalWorker":
        from cmdexec.server.workers.local import LocalWorker

        return LocalWorker(
            command=with_worker.command, folder=self._folder.path / "worker", url=door.url,
            own_server=self._folder.path / RUNTIME, ensure_credential=self._parts.workers.ensure_credential,
            runtime=self._runtime, settings=self._settings,
        )  # fmt: skip

    async def _drain(
        self, tasks: asyncio.TaskGroup, door: Listener, local: "LocalWorker | None", hurry: asyncio.Event
    ) -> bool:
        """Whether it came to its end by itself."""
        self._runtime.log.info("the server stops", within_sec=self._settings.server_drain_sec)
        ending = tasks.create_task(self._end(door, local), name="drain")
        cut = tasks.create_task(hurry.wait(), name="second signal")
        await asyncio.wait((ending, cut), return_when=asyncio.FIRST_COMPLETED)
        clean = ending.done() and ending.exception() is None
        for one in (ending, cut):
            one.cancel()
        return clean

    async def _end(self, door: Listener, local: "LocalWorker | None") -> None:
        self._parts.jobs.drain()
        self._parts.presence.drain()
        if local is not None:
            await local.drain(self._settings.server_drain_sec)
        await door.stop_accepting()
        self._parts.sockets.close()
        self._parts.stopping.set()
        await door.close()
