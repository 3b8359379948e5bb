"""Output on its way from one worker to the store: in order, bounded, several pieces in one commit.

Acknowledged after the commit, one item an attempt. A commit takes what has come meanwhile, so that a fast writer gets
fewer and larger ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from cmdexec.errors import Unavailable
from cmdexec.protocol.codec import ask
from cmdexec.protocol.messages import OutputAck, OutputHeader
from cmdexec.runtime import Runtime
from cmdexec.server.jobs import Holder
from cmdexec.server.output import Appender
from cmdexec.server.workers.outbox import Outbox
from cmdexec.store.contract.output import Append, Appended

BATCH_BYTES = 1024 * 1024
"""The most that one commit takes, but for a single larger piece."""

_OVERHEAD = 512
"""What a waiting piece costs besides its bytes."""

Explain = Callable[[Sequence[tuple[str, int]]], Awaitable[list[OutputAck]]]
"""Says for attempts whose output was not taken what their worker has to be told."""


Gone = Callable[[], Coroutine[Any, Any, object]]
"""Returns when whoever brings the output is there no more."""


class Budget:
    """How many bytes of output may wait, for all workers together, and no more than a quarter of them for one. A worker
    that has none waiting may bring a piece, whatever its size, so nobody waits for more than its own to be stored."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._own: dict[str, int] = {}
        self._freed = asyncio.Event()

    @property
    def used(self) -> int:
        """What waits now, in bytes."""
        return self._used

    async def take(self, size: int, worker_id: str, gone: Gone) -> bool:
        """Wait until there is room for `size` more of this worker. False: it was gone before, and nothing was taken."""
        if self._has_room(size, worker_id):
            self._add(size, worker_id)
            return True
        taken = False
        try:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(gone(), name="who brings output")
                watch.add_done_callback(lambda _: self._freed.set())
                while not (watch.done() or self._has_room(size, worker_id)):
                    self._freed.clear()
                    await self._freed.wait()
                taken = not watch.done()
                if taken:
                    self._add(size, worker_id)
                watch.cancel()
        except asyncio.CancelledError:
            if taken:
                self.give(size, worker_id)
            raise
        return taken

    def give(self, size: int, worker_id: str) -> None:
        """So much of this worker waits no more."""
        self._add(-size, worker_id)
        self._freed.set()

    def _has_room(self, size: int, worker_id: str) -> bool:
        own = self._own.get(worker_id, 0)
        return not own or (self._used + size <= self._most and own + size <= self._most // 4)

    def _add(self, size: int, worker_id: str) -> None:
        self._used += size
        own = self._own[worker_id] = self._own.get(worker_id, 0) + size
        if not own:
            del self._own[worker_id]


class Intake:
    """The pieces of one worker. `run` works until there is nothing left; the owner starts it when `bring` says so."""

    def __init__(
        self,
        holder: Holder,
        outbox: Outbox,
        *,
        appender: Appender,
        budget: Budget,
        explain: Explain,
        runtime: Runtime,
        limit: int,
    ) -> None:
        self._holder = holder
        self._outbox = outbox
        self._appender = appender
        self._budget = budget
        self._explain = explain
        self._runtime = runtime
        self._limit = limit
        self._waiting: list[Append] = []
        self._size = 0
        self._pending: dict[tuple[str, int], int] = {}
        self._settled = asyncio.Event()
        self._over = asyncio.Event()
        self._working = False

    async def bring(self, header: OutputHeader, data: bytes | memoryview) -> bool:
        """Take a piece, when there is room for it. True if `run` has to be started."""
        size = len(data) + _OVERHEAD
        while not self._closed and self._size and self._size + size > 4 * BATCH_BYTES:
            self._settled.clear()
            await self._settled.wait()
        if not await self._budget.take(size, self._holder.worker_id, self._over.wait):
            return False
        if self._closed:
            self._budget.give(size, self._holder.worker_id)
            return False
        self._size += size
        key = (header.job_id, header.attempt)
        self._pending[key] = self._pending.get(key, 0) + 1
        self._waiting.append(
            Append(
                header.job_id, header.attempt, self._holder.session, header.stream, header.offset, bytes(data),
                self._limit,
            )
        )  # fmt: skip
        start, self._working = not self._working, True
        return start

    @property
    def _closed(self) -> bool:
        return self._over.is_set()

    def pending(self, job_id: str, attempt: int) -> bool:
        """Whether output of the attempt is on its way."""
        return (job_id, attempt) in self._pending

    async def settled(self, job_id: str, attempt: int) -> None:
        """Wait until it is not."""
        while (job_id, attempt) in self._pending:
            self._settled.clear()
            await self._settled.wait()

    def close(self) -> None:
        """The worker is gone: what waits is dropped, it will be sent again. What is being stored is stored."""
        self._over.set()
        dropped, self._waiting = self._waiting, []
        self._done(dropped)

    async def run(self) -> None:
        """Store all that has come."""
        try:
            while self._waiting:
                batch = self._next()
                try:
                    await self._store(joined_pieces(batch))
                finally:
                    self._done(batch)
        finally:
            self._working = False

    def _next(self) -> list[Append]:
        size = count = 0
        for piece in self._waiting:
            if count and size + len(piece.data) > BATCH_BYTES:
                break
            size += len(piece.data)
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _store(self, appends: Sequence[Append]) -> None:
        """Store them, however long the store is away: the worker has them until they are acknowledged, and sends no
        more than its window."""
        while not self._closed:
            try:
                results = await self._appender.append(appends)
            except Unavailable as away:
                await self._runtime.clock.sleep(away.retry_after)
                continue
            acks = await self._acks(appends, results)
            if acks:
                self._outbox.put(ask("ack", acks))
            return

    async def _acks(self, appends: Sequence[Append], results: Sequence[Appended]) -> list[OutputAck]:
        acks: dict[tuple[str, int], OutputAck] = {}
        unexplained: list[tuple[str, int]] = []
        for append, result in zip(appends, results, strict=True):
            key = (append.job_id, append.attempt)
            ack = acknowledged(key, result)
            before = acks.get(key)
            if ack is None:
                unexplained.append(key)
            elif before is None or before.tell == "ok" or ack.tell == "stop":
                acks[key] = ack
            else:
                acks[key] = OutputAck(
                    job_id=key[0], attempt=key[1], stdout=ack.stdout, stderr=ack.stderr, tell=before.tell,
                    code=before.code,
                )  # fmt: skip
        if unexplained:
            told = await self._explain(tuple(dict.fromkeys(unexplained)))
            acks.update({(ack.job_id, ack.attempt): ack for ack in told})
        return list(acks.values())

    def _done(self, pieces: Sequence[Append]) -> None:
        size = 0
        for piece in pieces:
            size += len(piece.data) + _OVERHEAD
            key = (piece.job_id, piece.attempt)
            left = self._pending[key] - 1
            if left:
                self._pending[key] = left
            else:
                del self._pending[key]
        self._size -= size
        self._budget.give(size, self._holder.worker_id)
        self._settled.set()


def acknowledged(key: tuple[str, int], result: Appended) -> OutputAck | None:
    """What to say; None if that depends on the job."""
    row = result.row
    if row is None or result.refused in ("no_row", "closed", "foreign"):
        return None
    job_id, attempt = key
    if result.refused == "gap":
        return OutputAck(
            job_id=job_id, attempt=attempt, stdout=row.stdout, stderr=row.stderr, tell="resend", code="output_gap"
        )
    if result.refused == "limit":
        return OutputAck(
            job_id=job_id, attempt=attempt, stdout=row.stdout, stderr=row.stderr, tell="stop", code="output_limit"
        )
    return OutputAck(job_id=job_id, attempt=attempt, stdout=row.stdout, stderr=row.stderr)


def joined_pieces(batch: Sequence[Append]) -> list[Append]:
    """Pieces of one stream that follow each other become one, in the order of their first pieces."""
    runs: list[list[Append]] = []
    ends: dict[tuple[str, int, str], tuple[int, list[Append]]] = {}
    for piece in batch:
        key = (piece.job_id, piece.attempt, piece.stream)
        end, run = ends.get(key, (-1, []))
        if piece.offset != end:
            run = []
            runs.append(run)
        run.append(piece)
        ends[key] = (piece.offset + len(piece.data), run)
    return [run[0] if len(run) == 1 else _one(run) for run in runs]


def _one(run: Sequence[Append]) -> Append:
    first = run[0]
    data = b"".join(piece.data for piece in run)
    return Append(first.job_id, first.attempt, first.session, first.stream, first.offset, data, first.limit)
