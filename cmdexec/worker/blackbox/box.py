"""The black box of a worker: it records how the worker is, now and then and at each event, and says why it was away."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
from msgspec.structs import replace

from cmdexec.model.absence import Followed, Kind, Vitals, absence, follow
from cmdexec.protocol.messages import Absence
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.system.files import free_bytes
from cmdexec.worker.blackbox.kills import kills
from cmdexec.worker.blackbox.ring import Ring

FILE = "blackbox"
"""In the data folder, beside the spool."""

_WOKE_MS = 1000
"""More than this suspended between two records is worth one of its own kind."""
_WAITING_MAX = 64
"""Events that are not written yet; more of them within one write tell nothing new."""
_LIFE_BYTES = 8


class BlackBox:
    """A Service, once it is open. What goes wrong with its file hurts nothing else: it is logged once, and tried again.

    heard_at  when the server, knowing this worker, said something last (elapsed seconds); set by whoever hears it
    hole      called where the process or its machine stood still for so long that the server must be told, although the
              link seems to have lived through it
    """

    def __init__(
        self, folder: Path, boot: bytes, *, awake: Callable[[], float], settings: WorkerSettings, runtime: Runtime
    ) -> None:
        self.heard_at: float | None = None
        self.hole: Callable[[], None] = lambda: None
        self._folder = folder
        self._ring = Ring(folder / FILE, settings.black_box_records)
        self._beat_sec = settings.black_box_sec
        self._bound = round(settings.absence_sec * 1000)
        self._clock, self._threads, self._log = runtime.clock, runtime.threads, runtime.log
        self._awake = awake
        self._boot, self._life = boot, runtime.secret_bytes(_LIFE_BYTES)
        self._link = self._stopping = self._failing = False
        self._followed: Followed | None = None
        self._waiting: deque[Vitals] = deque(maxlen=_WAITING_MAX)
        self._noted, self._came = asyncio.Event(), asyncio.Event()
        self._writing = threading.Lock()

    # What it is told ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Blocking: see what an earlier process left, and begin."""
        try:
            found = self._ring.open()
        except OSError as fault:
            found = []
            self._failed(fault)
        for one in found:
            self._followed = follow(self._followed, one, self._bound)
        begun = self._measured(self._now(Kind.STARTED))
        self._followed = follow(self._followed, begun, self._bound)
        self._append(begun)

    def absences(self) -> tuple[Absence, ...]:
        """What the server is to be told of when it hears of this worker now."""
        found = absence(self._followed, self._now(Kind.BEAT), self._bound)
        return () if found is None else (Absence(since=found.since, until=found.until, cause=found.cause),)

    def connected(self) -> None:
        """The server knows this worker, and has been told."""
        self._link, self.heard_at = True, self._clock.elapsed()
        self._note(Kind.CONNECTED)

    def disconnected(self) -> None:
        """Twice is fine."""
        if self._link:
            self._link = False
            self._note(Kind.LINK_LOST)

    def stopping(self) -> None:
        """The worker was told to end, or ends by itself as it was set to. Twice is fine."""
        if not self._stopping:
            self._stopping = True
            self._note(Kind.STOPPING)

    def shut(self, *, in_order: bool) -> None:
        """Blocking, the last thing: no record comes after this. `in_order`: the worker ends as it shall."""
        while self._waiting:
            self._append(self._waiting.popleft())
        if in_order:
            self._record(self._now(Kind.STOPPED))
        self._ring.close()

    # What it does ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Record, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write(), name="black box writer")
            while True:
                try:
                    async with asyncio.timeout(self._beat_sec):
                        await self._noted.wait()
                except TimeoutError:
                    self._beat()
                self._noted.clear()

    async def _write(self) -> None:
        """Apart from what beats: a thread that is long in coming, or a slow disk, is no standstill of this process."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                await self._threads.run(partial(self._record, self._waiting.popleft()))

    def _beat(self) -> None:
        before = self._followed
        self._note(Kind.BEAT)
        after = self._followed
        if after is not None and after.hole and not (before is not None and before.hole) and self._link:
            self._log.info("this process or its machine stood still for long; it registers again, to say so")
            self.hole()

    def _note(self, kind: Kind) -> None:
        now, last = self._now(kind), self._followed.last if self._followed is not None else None
        if last is not None and (now.elapsed - now.awake) - (last.elapsed - last.awake) > _WOKE_MS:
            now = replace(now, kind=Kind.WOKE) if kind is Kind.BEAT else now
        self._followed = follow(self._followed, now, self._bound)
        self._waiting.append(now)
        self._noted.set()
        self._came.set()

    def _now(self, kind: Kind) -> Vitals:
        """What clocks say; it waits for nothing."""
        elapsed, at = self._clock.elapsed(), self._clock.now()
        heard = self.heard_at
        return Vitals(
            kind, at, round(elapsed * 1000), round(self._awake() * 1000), self._boot, self._life, self._link,
            self._stopping, 0 if heard is None else at - round((elapsed - heard) * 1000),
            0 if heard is None else round(heard * 1000),
        )  # fmt: skip

    def _measured(self, one: Vitals) -> Vitals:
        """Blocking: with how the machine is, as far as it says."""
        with suppress(OSError):
            one = replace(one, disk_free=free_bytes(self._folder))
        with suppress(OSError, psutil.Error):
            memory = psutil.virtual_memory()
            one = replace(one, memory_used=memory.total - memory.available, memory_total=memory.total)
        with suppress(OSError, psutil.Error):
            one = replace(one, load=psutil.getloadavg()[0])
        with suppress(OSError):
            group, group_kills, machine_kills = kills()
            one = replace(one, group=group, group_kills=group_kills, machine_kills=machine_kills)
        return one

    def _record(self, one: Vitals) -> None:
        """Blocking."""
        self._append(self._measured(one))

    def _append(self, one: Vitals) -> None:
        """Blocking."""
        try:
            with self._writing:  # a write that nobody waits for any more, at the end, may still be under way
                self._ring.append(one)
        except OSError as fault:
            self._failed(fault)
        else:
            self._failing = False

    def _failed(self, fault: OSError) -> None:
        if not self._failing:
            self._failing = True
            self._log.warning("the black box cannot be written; an absence may stay unexplained", error=fault.strerror)
