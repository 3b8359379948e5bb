"""A worker: all of `cmdexec.worker` over a simulated machine and network. It is killed by forgetting it, and started
anew on the spool that it left."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cmdexec.errors import CmdexecError
from cmdexec.settings.load import make
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.build import Worker as Built
from cmdexec.worker.build import build
from cmdexec.worker.ending import Wishes
from cmdexec.worker.executors.by_order import ByOrder
from cmdexec.worker.folder import DataFolder
from cmdexec.worker.run import _run as run_built
from tests.sim.whole.calls import Http
from tests.sim.whole.loop import NODE
from tests.sim.whole.machine import Machine, NoContainers, Processes
from tests.sim.whole.runtime import runtime_of
from tests.sim.whole.server import SECRET

URL = "http://server.simulated"
WINDOW_BYTES = 24_000
"""Small enough that jobs are paused now and then."""


def worker_settings(folder: Path, name: str, slots: int) -> WorkerSettings:
    """Short times, and small bounds."""
    made = make(
        WorkerSettings, data_dir=folder / name, worker_id=name, worker_name=name, worker_token_secret=SECRET,
        work_dir=folder / f"{name}-work", slots=slots, allow_host=True, allow_containers=False,
    )  # fmt: skip
    return replace(
        made, socket_ping_sec=2.0, connect_timeout_sec=3.0, reconnect_max_sec=2.0, reconnect_min_sec=0.1,
        lease_look_sec=0.5, output_window_bytes=WINDOW_BYTES, again_sec=0.5, spool_write_sec=0.2, start_pause_sec=1.0,
        kill_grace_sec=1.0, hand_back_sec=2.0, deliver_sec=4.0, server_url=URL,
        poll_wait_sec=2.0, call_timeout_sec=3.0, socket_retry_sec=3.0,
    )  # fmt: skip


class Worker:
    """`process`: the one that runs now, None while there is none."""

    def __init__(self, world: Any, index: int, folder: Path, rng: random.Random) -> None:
        self.world = world
        self.name = f"worker-{index}"
        self.settings = worker_settings(folder, self.name, rng.choice((1, 2, 4)))
        for made in (self.settings.data_dir, folder / f"{self.name}-work"):
            made.mkdir(mode=0o700)
        skew = rng.choice((0.0, 0.0, 500.0, 3600.0))
        self.machine = Machine(world, f"machine-{index}", skew)
        self.process: Process | None = None
        self.begun = 0
        self._rng = random.Random(f"{world.seed} {self.name}")

    def start(self) -> None:
        if self.process is None:
            self.begun += 1
            self.world.tell(self.name, "starts")
            self.process = Process(self, self.begun)

    def kill(self) -> None:
        """With all that it runs: the warden sees to that."""
        if self.process is not None:
            self.world.tell(self.name, "is killed")
            process, self.process = self.process, None
            process.node.kill()
            self.machine.lifeline_ends()
            self.world.network.worker_is_gone(self.name)

    def crash(self) -> None:
        """The machine dies, and loses what was not flushed: some of what the journal said last."""
        self.kill()
        self.machine.boots += 1
        self.world.ledger.crashed.add(self.machine.node.name)
        journal = self.settings.data_dir / "spool" / "journal"
        if journal.exists() and self._rng.random() < 0.7:
            os.truncate(journal, self._rng.randint(0, journal.stat().st_size))

    def ended(self, process: "Process") -> None:
        if self.process is process:
            self.world.tell(self.name, "has ended")
            self.process = None
            process.node.kill()
            self.world.network.worker_is_gone(self.name)
            self.world.after(1.0, self.start)

    @property
    def quiet(self) -> bool:
        """It runs, and has nothing left to say."""
        built = self.process.built if self.process is not None else None
        return built is not None and not built.attempts.table


class Process:
    """One process of a worker. `wishes`: how it is told to end."""

    def __init__(self, worker: Worker, number: int) -> None:
        world = worker.world
        self.worker = worker
        self.node = world.node(worker.name)
        self.runtime = runtime_of(world, f"{worker.name} {number}", worker.machine.skew_sec)
        self.wishes = Wishes()
        self.built: Built | None = None
        self.node.spawn(self._run(), "run")

    def executor(self, *_: object) -> Any:
        """In place of processes and containers of this machine."""
        processes: Any = Processes(self.worker.machine, self.node)
        containers: Any = NoContainers()
        return ByOrder(processes, containers, self.worker.settings)

    async def _run(self) -> None:
        settings = self.worker.settings
        try:
            self.built = await build(URL, DataFolder(settings.data_dir), settings=settings, runtime=self.runtime)
            await run_built(self.built, self.wishes, None, settings, self.runtime)
        except CmdexecError as wrong:
            self.worker.world.tell(self.worker.name, f"ends: {wrong}")
        self.worker.world.outside(self.worker.ended, self)


@contextmanager
def worker_edges(world: Any) -> Iterator[None]:
    """Workers that are made here have their machines and their network from `world`."""

    def process() -> Process:
        node = NODE.get()
        return next(one.process for one in world.workers if one.process and one.process.node is node)

    def executor(*args: object) -> Any:
        return process().executor(*args)

    def boot_id() -> bytes:
        return bytes([process().worker.machine.boots]) * 16

    def place(_lock: int) -> str:
        machine = process().worker.machine
        return f"{machine.node.name}.{machine.boots}"

    def machine(_lock: int) -> str:
        return process().worker.machine.node.name

    async def connect(_http: object, _url: str, headers: Any, _limits: object) -> Any:
        node = NODE.get()
        assert node is not None
        return await world.network.open(node.name, headers["x-worker-token"])

    async def passes(*_: object) -> None:
        node = NODE.get()
        assert node is not None
        world.network.passes(node.name)

    def session(**_: object) -> Any:
        node = NODE.get()
        assert node is not None
        return Http(world, node.name)

    with (
        patch("cmdexec.worker.build._executor", executor),
        patch("cmdexec.worker.ways.connect", connect),
        patch("cmdexec.worker.ways.passes", passes),
        patch("cmdexec.worker.connection.session", session),
        patch("cmdexec.worker.conversation.stats", lambda *_: None),
        patch("cmdexec.worker.build.boot_id", boot_id),
        patch("cmdexec.worker.build.place_of", place),
        patch("cmdexec.worker.build.machine_of", machine),
        patch("cmdexec.worker.build.awake", lambda: process().runtime.clock.elapsed()),
        patch("cmdexec.worker.blackbox.box.kills", lambda: (0, -1, -1)),
    ):
        yield
