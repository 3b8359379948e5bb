"""The server's core over a real store, for tests: all its parts, a clock moved by hand, and workers that speak."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmdexec.model.job import Job, Spec
from cmdexec.notify.local import LocalNotify
from cmdexec.protocol.messages import (
    Beat,
    Done,
    Heartbeat,
    Held,
    Inline,
    OutputDone,
    OutputHeader,
    Register,
    Registered,
    Released,
    StreamDone,
    Told,
)
from cmdexec.runtime import Runtime, ThreadPool
from cmdexec.server.jobs import Holder, Jobs
from cmdexec.server.output import Appender, Follower, Measures, OutputReader
from cmdexec.server.workers import Dispatch, Presence, WorkerLink
from cmdexec.settings.load import make
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads
from cmdexec.store.sqlite.engine import SqliteStore, open_sqlite
from tests.contract.engines import HandClock, runtime_with

OWNER = "owner"


async def eventually(fact: Callable[[], Any], what: str, within_sec: float = 10.0) -> Any:
    """Let others run until `fact` answers with something true, and return that."""
    try:
        async with asyncio.timeout(within_sec):
            while not (answer := fact()):
                await asyncio.sleep(0)
            return answer
    except TimeoutError:
        raise AssertionError(f"not within {within_sec:g} s: {what}") from None


@dataclass
class Sent:
    """What a worker was told: an outbox that keeps it."""

    frames: list[Any] = field(default_factory=list)
    ended: tuple[int, str] | None = None
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: Any) -> None:
        if self.ended is None:
            self.frames.append(frame)
            self.more.set()

    def flush(self) -> None:
        return

    def has_room(self, size: int) -> bool:
        return True

    async def room(self, size: int) -> None:
        return

    def close(self, code: int, sentence: str) -> None:
        self.ended = self.ended or (code, sentence)

    def items(self, op: str) -> list[Any]:
        """All items of the frames of that name, in their order."""
        return [item for frame in self.frames if frame.op == op for item in frame.items]

    def answered(self, number: int) -> list[Any] | None:
        """The answer to the frame of that number, once it is there."""
        return next((list(frame.items) for frame in self.frames if frame.re == number), None)


class Worker:
    """A worker that speaks through a link, as its socket would."""

    def __init__(self, core: "Core", worker_id: str, session: str, link: WorkerLink, sent: Sent) -> None:
        self.core = core
        self.holder = Holder(worker_id, session)
        self.link = link
        self.sent = sent
        self._number = 100

    async def ask(self, op: str, *items: Any) -> list[Any]:
        """Send a frame; its answer."""
        (answer,) = await self.ask_all((op, items))
        return answer

    async def ask_all(self, *frames: tuple[str, Sequence[Any]]) -> list[list[Any]]:
        """Send frames as one message; their answers."""
        numbers = []
        said = []
        for op, items in frames:
            self._number += 1
            numbers.append(self._number)
            said.append((op, self._number, tuple(items)))
        for frame in await self.link.frames(said):
            self.sent.put(frame)
        async with asyncio.timeout(10):
            while any(self.sent.answered(number) is None for number in numbers):
                self.sent.more.clear()
                await self.sent.more.wait()
        return [self.sent.answered(number) or [] for number in numbers]

    async def beat(self, *held: tuple[str, int], **more: Any) -> Beat:
        """A heartbeat with the complete list."""
        jobs = tuple(Held(job_id=job_id, attempt=attempt) for job_id, attempt in held)
        (beat,) = await self.ask("heartbeat", Heartbeat(jobs=jobs, **more))
        return beat

    async def start(self, *jobs: tuple[str, int]) -> list[Told]:
        return await self.ask("start", *(Held(job_id=job_id, attempt=attempt) for job_id, attempt in jobs))

    async def done(self, job_id: str, attempt: int, out: bytes | None = b"", **more: Any) -> Told:
        (told,) = await self.ask("done", done(job_id, attempt, out, **more))
        return told

    async def release(self, job_id: str, attempt: int, why: Any, message: str | None = None) -> Told:
        (told,) = await self.ask("released", Released(job_id=job_id, attempt=attempt, why=why, message=message))
        return told

    async def output(self, job_id: str, attempt: int, offset: int, data: bytes, stream: Any = "stdout") -> None:
        header = OutputHeader(job_id=job_id, attempt=attempt, stream=stream, offset=offset)
        await self.link.output(header, data)

    def assigned(self) -> list[tuple[str, int]]:
        """The attempts it was given so far."""
        return [(item.job_id, item.attempt) for item in self.sent.items("assign")]

    def leave(self) -> None:
        """Its socket ends."""
        self.link.closed()


def done(job_id: str, attempt: int, out: bytes | None = b"", inline: bytes = b"", **more: Any) -> Done:
    """A result that names the length and digest of `out`, the whole of stdout, of which `inline` is the end.

    `out` None: no length is named.
    """
    stdout = StreamDone() if out is None else StreamDone(bytes=len(out), digest=hashlib.sha256(out).hexdigest())
    empty = StreamDone(bytes=0, digest=hashlib.sha256().hexdigest())
    named = OutputDone(stdout=stdout, stderr=StreamDone() if out is None else empty)
    if not {"exit_code", "signal", "reason"} & more.keys():
        more["exit_code"] = 0
    fields = {"output": named, "inline": Inline(stdout=inline), **more}
    return Done(job_id=job_id, attempt=attempt, **fields)


@dataclass
class Core:
    """One server's core. `clock` stands still until it is told to go on."""

    store: SqliteStore
    reads: Reads
    jobs: Jobs
    notify: LocalNotify
    measures: Measures
    presence: Presence
    dispatch: Dispatch
    follower: Follower
    reader: OutputReader
    runtime: Runtime
    settings: ServerSettings
    clock: HandClock

    async def submit(self, count: int = 1, **spec: Any) -> list[Job]:
        """New jobs."""
        fields = {"command": ("true",), **spec}
        return await self.jobs.submit(OWNER, [Spec(**fields)] * count, key=None, body=b"{}")

    async def job(self, job_id: str) -> Job:
        """The job as it is stored."""
        (job,) = await self.reads.jobs.get([job_id])
        assert job is not None
        return job

    async def claim(self, holder: Holder, limit: int = 1, claim_id: str | None = None) -> list[Job]:
        """Claimed without dispatch."""
        claim_id = claim_id or self.runtime.ids.new()
        return await self.jobs.claim(holder, claim_id=claim_id, klasses=("",), limit=limit, most=1 << 20)

    async def connect(
        self, worker_id: str = "w1", session: str = "s1", instance: str = "i1", slots: int = 2,
        sent: Sent | None = None, **more: Any,
    ) -> Worker:  # fmt: skip
        """A worker whose socket has just been opened, and which has registered."""
        sent = sent if sent is not None else Sent()
        link = self.presence.connect(worker_id, send=sent)
        worker = Worker(self, worker_id, session, link, sent)
        (registered,) = await worker.ask(
            "register", Register(session=session, instance_id=instance, slots=slots, **more)
        )
        assert isinstance(registered, Registered), registered
        return worker

    async def stored(self, job_id: str, attempt: int, stream: str = "stdout") -> bytes:
        """All output of a stream."""
        return b"".join([piece async for piece in self.reader.read(job_id, attempt, stream, 0, None)])


def settings_for(folder: Path, **fields: Any) -> ServerSettings:
    """The shipped settings, but for what is named."""
    return make(ServerSettings, data_dir=str(folder), **fields)


@asynccontextmanager
async def core(
    folder: Path, *, clock: HandClock | None = None, store: SqliteStore | None = None, seed: int = 0, **fields: Any
) -> AsyncIterator[Core]:
    """A core in `folder`, its presence running; dispatch works when `give_out` is called. With `store`: a second server
    over the same store."""
    clock = clock or HandClock()
    threads = ThreadPool(2, "test-core")
    runtime = runtime_with(clock, threads, seed)
    own = store is None
    settings = settings_for(folder, **fields)
    if store is None:
        store = open_sqlite(
            folder, runtime, queue_items=10_000, disk_reserve_bytes=0, lease_sec=settings.lease_sec
        )  # fmt: skip
    reads, notify = store.reads, LocalNotify(runtime.log)
    measures = Measures(reads.output, settings.output_hashes)
    jobs = Jobs(
        reads=reads, writes=store.jobs_write, notify=notify, runtime=runtime, settings=settings, stored=measures
    )
    presence = Presence(
        reads=reads, jobs=jobs, appender=Appender(output=reads.output, measures=measures, notify=notify),
        measures=measures, notify=notify, runtime=runtime, settings=settings,
    )  # fmt: skip
    dispatch = Dispatch(reads=reads, jobs=jobs, presence=presence, notify=notify, runtime=runtime, settings=settings)
    follower = Follower(reads=reads, notify=notify, settings=settings)
    made = Core(
        store, reads, jobs, notify, measures, presence, dispatch, follower, OutputReader(reads.output), runtime,
        settings, clock,
    )  # fmt: skip
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(presence.run())
            await asyncio.sleep(0)
            yield made
            running.cancel()
    finally:
        if own:
            await store.close()
        threads.close()
