"""The spool: everything that the server does not have yet, under one bound for memory and one for the disk.

Output stays in memory while the server takes it; what was not taken within `spool_write_sec` a thread writes to disk.
So a fast job is held to the pace of a fast server and costs the disk nothing, and a slow server does not hold it up.
Memory holds at most about `output_window_bytes`, whatever jobs write: beyond it they are paused until half of that is
free. Beside it each stream past its cap has 64 KiB of its end there until it ends, and the rest of that in a file. With
a full disk nothing more is written there, so that the same rule pauses them (promise 8).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cmdexec.protocol.messages import OutputDone, Stream
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.spool.journal import Journal
from cmdexec.worker.spool.output import AttemptOutput
from cmdexec.worker.spool.records import Record
from cmdexec.worker.spool.segments import Write, probe, read_one, remove_all, write_all
from cmdexec.worker.spool.stream import StreamSpool

SPILL_BYTES = 1024 * 1024
"""The most of a stream that one turn of the writer brings to disk: it is copied for that."""

_Planned = list[tuple[AttemptOutput, StreamSpool, list[Write]]]


class Spool:
    """Made by `recovery.open_spool`. All methods are called on the event loop; `run` is its writer.

    memory   bytes of output in memory
    on_disk  bytes of output on disk
    away     the server cannot be reached: what memory has no room for goes to disk without waiting
    fault    why its folder cannot be changed; None: it can
    """

    def __init__(
        self, folder: Path, journal: Journal, session: str, *, settings: WorkerSettings, runtime: Runtime
    ) -> None:
        self.session = session
        self.memory = 0
        self.on_disk = 0
        self.away = True
        self.fault: str | None = None
        self.relieved: Callable[[Sequence[str]], None] = lambda _keys: None
        self._folder = str(folder)
        self._journal = journal
        self._settings = settings
        self._runtime = runtime
        self._window = settings.output_window_bytes
        self._low = self._window // 2
        self._dirty: dict[str, AttemptOutput] = {}
        self._doomed: list[Path] = []
        self._settling: dict[str, tuple[AttemptOutput, Callable[[], None]]] = {}
        self._paused: set[str] = set()
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def size(self) -> int:
        """All that the spool holds, in bytes."""
        return self.memory + self.on_disk + self._journal.size

    def journal(self, records: Sequence[Record]) -> None:
        """Append to the journal. Raises OSError, and then none of the records is written."""
        self._journal.append(records)

    # What jobs write -------------------------------------------------------------------------------------------------

    def begin(self, key: str, cap_bytes: int | None = None, *, outlives: bool = False) -> AttemptOutput:
        """The output of a new attempt; `cap_bytes` when the server keeps less than this worker. `outlives`: its job may
        go on without this process."""
        cap = self._settings.output_cap_bytes
        cap = cap if cap_bytes is None else min(cap, cap_bytes)
        tail = self._settings.output_tail_bytes
        return AttemptOutput(self._folder, key, cap_bytes=cap, tail_bytes=tail, outlives=outlives)

    def adopt(self, output: AttemptOutput) -> None:
        """Count the output of an attempt that an earlier process left."""
        self.memory += output.held
        self.on_disk += output.on_disk

    def write(self, output: AttemptOutput, stream: Stream, data: bytes) -> bool:
        """What a job wrote next. False: pause it until `relieved` names it."""
        if output.dropped:
            return True
        before = output.held
        output.write(stream, data)
        self._grown(output, output.held - before)
        if self.memory <= self._window:
            return True
        self._paused.add(output.key)
        return False

    def close(self, output: AttemptOutput) -> OutputDone:
        """The job will write no more."""
        self._paused.discard(output.key)
        before = output.held
        done = output.close()
        self._grown(output, output.held - before)
        return done

    def _grown(self, output: AttemptOutput, size: int) -> None:
        if size:
            self.memory += size
            self._dirty[output.key] = output
            if not self._work.is_set():
                self._work.set()
            if self.away and self.memory > self._low:
                self._hurry.set()

    # What becomes of it ----------------------------------------------------------------------------------------------

    def ack(self, output: AttemptOutput, stdout: int, stderr: int) -> None:
        """The server has so much of each stream."""
        before, disk = output.held, output.on_disk
        output.acked(stdout, stderr)
        self._delete(output.stdout.ack(stdout))
        self._delete(output.stderr.ack(stderr))
        self._freed(output, before, disk)
        if output.key in self._settling and output.fits_inline():
            self._settled(output.key)

    def settle(self, output: AttemptOutput, then: Callable[[], None]) -> None:
        """Bring what is loose to disk, until the rest fits into the journal; then call `then`, perhaps at once."""
        if output.fits_inline():
            then()
            return
        self._settling[output.key] = output, then
        self._dirty[output.key] = output
        self._work.set()
        self._hurry.set()

    def _settled(self, key: str) -> None:
        if (settling := self._settling.pop(key, None)) is not None:
            settling[1]()

    def drop(self, output: AttemptOutput) -> None:
        """Give up all of the output."""
        if output.dropped:
            return
        before, disk = output.held, output.on_disk
        output.dropped = True
        output.give_up()
        self._settling.pop(output.key, None)
        self._dirty.pop(output.key, None)
        self._paused.discard(output.key)
        self._delete(output.stdout.drop())
        self._delete(output.stderr.drop())
        self._delete(output.forget())
        self._freed(output, before, disk)

    def _freed(self, output: AttemptOutput, held_before: int, disk_before: int) -> None:
        """What an output held before has changed."""
        self.memory += output.held - held_before
        self.on_disk += output.on_disk - disk_before
        if self._paused and self.memory <= self._low:
            paused, self._paused = sorted(self._paused), set()
            self.relieved(paused)

    def _delete(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._doomed.append(path)
            self._work.set()

    async def read(self, stream: StreamSpool, limit: int) -> bytes:
        """Up to `limit` bytes from `stream.sent` on, from memory or disk; none when they are in neither. Raises OSError
        when the disk cannot be read."""
        start = stream.sent
        if (data := stream.in_memory(start, limit)) is not None:
            return data
        if (place := stream.disk.locate(start, limit)) is None:
            return b""
        return await self._runtime.threads.run(lambda: read_one(*place))

    # The writer ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write to disk what has waited, and delete what is no longer needed, until cancelled."""
        while True:
            await self._work.wait()
            try:
                async with asyncio.timeout(self._settings.spool_write_sec):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            self._work.clear()
            self._hurry.clear()
            await self.turn()
            if self._dirty or self._doomed:
                self._work.set()
            if self.fault is not None:
                await self._runtime.clock.sleep(self._settings.spool_write_sec)
                self._work.set()

    async def turn(self) -> None:
        """One turn of the writer: what has waited since the turn before goes to disk. With nothing to do it tries
        whether a folder that could not be changed can be changed again."""
        planned = self._plan()
        doomed, self._doomed = self._doomed, []
        if not planned and not doomed:
            if self.fault is not None:
                self._told(await self._runtime.threads.run(lambda: probe(self._folder)))
            return
        faults, kept = await self._runtime.threads.run(lambda: _carry_out([writes for _, _, writes in planned], doomed))
        self._doomed.extend(path for path, _ in kept)
        self._told(next((fault for fault in (*faults, *(fault for _, fault in kept)) if fault is not None), None))
        for (output, stream, writes), fault in zip(planned, faults, strict=True):
            if fault is not None:
                stream.failed()
                self._dirty[output.key] = output
                continue
            before, disk = output.held, output.on_disk
            self._delete(stream.wrote(writes, forget=self.memory > self._low))
            self._freed(output, before, disk)
        for key, (output, _) in list(self._settling.items()):
            if output.fits_inline():
                self._settled(key)

    def _plan(self) -> _Planned:
        """What is to be written now: what has waited for a turn; all of it when the server is away and memory is short,
        or when its job has ended."""
        planned: _Planned = []
        room = self._settings.spool_max_bytes - self.on_disk
        pressed = self.away and self.memory > self._low
        for key, output in list(self._dirty.items()):
            waits = False
            for stream in (output.stdout, output.stderr):
                upto = stream.end if pressed or key in self._settling else stream.marked
                stream.marked = stream.end
                writes = stream.plan(upto, SPILL_BYTES)
                size = sum(len(write.data) for write in writes)
                after = stream.loose + size
                if size > room:
                    stream.failed()
                elif writes:
                    room -= size
                    planned.append((output, stream, writes))
                    if after < upto:
                        self._hurry.set()
                waits = waits or after < stream.end or size > room
            if not waits:
                del self._dirty[key]
        return planned

    def _told(self, fault: OSError | None) -> None:
        """Say once when the disk begins to fail, and once when it works again."""
        before, self.fault = self.fault, None if fault is None else fault.strerror or type(fault).__name__
        if (before is None) != (fault is None):
            if fault is not None:
                self._runtime.log.warning(
                    "the spool's folder cannot be changed; jobs wait where memory is full", error=fault.strerror
                )
            else:
                self._runtime.log.info("the spool's folder can be changed again")

    def shut(self) -> None:
        """Close the journal; nothing can be written from now on."""
        self._journal.close()


def _carry_out(
    plans: Sequence[Sequence[Write]], doomed: Sequence[Path]
) -> tuple[list[OSError | None], list[tuple[Path, OSError]]]:
    """Blocking: each plan on its own, so that one that fails leaves the others done. What went wrong with each, and the
    files that could not be deleted."""
    faults: list[OSError | None] = []
    kept = remove_all(doomed)
    for writes in plans:
        try:
            write_all(writes)
            faults.append(None)
        except OSError as fault:
            faults.append(fault)
            remove_all(write.path for write in writes if write.position == 0)  # nobody knows of files begun here
    return faults, kept
