"""Workers, and their leases: stamps in memory, on the clock that counts suspended time (promise 9).

After a restart every worker counts from the opening, which is the amnesty that promise 8 asks for. What was granted
before it is over when the longest lease of then has passed since: that length is in the file.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

from cmdexec.runtime import Runtime
from cmdexec.store.contract.workers import Given, WorkerRow
from cmdexec.store.sqlite.connection import Connection, Row
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.readers import Readers
from cmdexec.store.sqlite.transaction import Transaction
from cmdexec.store.sqlite.writer import Writer

_SQL = load("workers")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(WorkerRow).decode
_given = msgspec.msgpack.Decoder(Given).decode


class SqliteWorkers:
    """`cmdexec.store.contract.workers.Workers`."""

    def __init__(self, writer: Writer, readers: Readers, runtime: Runtime, known: "Known", save_sec: float) -> None:
        """`save_sec`: how often the times in memory are written to the rows."""
        self._writer = writer
        self._readers = readers
        self._clock = runtime.clock
        self._save_sec = save_sec
        self._opened = self._saved_at = self._clock.elapsed()
        self._lease_ms = known.lease_ms
        self._earlier_sec = known.earlier_ms / 1000
        self._stamps = dict.fromkeys(known.not_lost, self._opened)
        self._seen: dict[str, int] = {}
        self._marking: dict[str, object] = {}

    async def register(self, row: WorkerRow) -> WorkerRow | None:
        now = self._clock.now()
        bindings = (row.worker_id, row.session, row.registered_at, now, row.revoked, _encode(row.given), _encode(row))

        def write(transaction: Transaction) -> WorkerRow | None:
            before = transaction.db.row(_SQL["get"], (row.worker_id,))
            transaction.db.run(_SQL["register"], bindings)
            return _worker(before) if before else None

        marking = self._marking.get(row.worker_id)
        before = await self._writer.run(write)
        self._alive(row.worker_id, marking)
        self._seen.pop(row.worker_id, None)
        self._stamps[row.worker_id] = self._clock.elapsed()
        return before

    async def get(self, worker_ids: Sequence[str]) -> list[WorkerRow | None]:
        rows = await self._readers.run(lambda db: [db.row(_SQL["get"], (worker_id,)) for worker_id in worker_ids])
        return [self._fresh(_worker(row)) if row else None for row in rows]

    async def all(self, after: str = "", limit: int = 1000) -> list[WorkerRow]:
        rows = await self._readers.run(lambda db: db.rows(_SQL["all"], (after, limit)))
        return [self._fresh(_worker(row)) for row in rows]

    async def renew(self, worker_ids: Sequence[str]) -> None:
        returned = [name for name in worker_ids if name not in self._stamps or name in self._marking]
        if returned:
            marking = {name: self._marking.get(name) for name in returned}
            alive = await self._writer.run(lambda transaction: _found(transaction, returned))
            worker_ids = [name for name in worker_ids if name in alive or name not in returned]
            for name in returned:
                self._alive(name, marking[name])
        elapsed, now = self._clock.elapsed(), self._clock.now()
        for worker_id in worker_ids:
            self._stamps[worker_id] = elapsed
            self._seen[worker_id] = now
        if elapsed - self._saved_at >= self._save_sec:
            await self.save_seen()

    async def overdue(self, age_sec: float, worker_ids: Sequence[str] | None = None) -> list[WorkerRow]:
        before = self._clock.elapsed() - age_sec
        asked = self._stamps if worker_ids is None else worker_ids
        late = [name for name in asked if self._stamps.get(name, before) < before]
        return [row for row in await self.get(late) if row is not None] if late else []

    async def lapsed(self, lease_sec: float, worker_ids: Sequence[str] | None = None) -> list[WorkerRow]:
        if self._earlier_sec and self._clock.elapsed() - self._opened > self._earlier_sec:
            await self._writer.run(lambda transaction: transaction.db.run(_SQL["grant"], (self._lease_ms,)))
            self._earlier_sec = 0.0
        return await self.overdue(max(lease_sec, self._earlier_sec), worker_ids)

    async def mark_lost(self, worker_id: str, session: str, lease_sec: float) -> bool:
        """From now until it is known that the mark was written, renewals are written as well, after it."""
        before = self._clock.elapsed() - max(lease_sec, self._earlier_sec)
        if self._stamps.get(worker_id, before) >= before:
            return False
        self._marking[worker_id] = object()
        marked = await self._writer.run(lambda transaction: transaction.db.run(_SQL["lost"], (worker_id, session)))
        self._marking.pop(worker_id, None)
        if marked:
            self._stamps.pop(worker_id, None)
        return bool(marked)

    def _alive(self, worker_id: str, marking: object) -> None:
        """It was written that the worker is alive: after that mark, and before any that has begun since."""
        if self._marking.get(worker_id) is marking:
            self._marking.pop(worker_id, None)

    async def change(
        self, worker_id: str, *, draining: bool | None = None, name: str | None = None,
        labels: Mapping[str, str | None] | None = None,
    ) -> WorkerRow | None:  # fmt: skip
        def write(transaction: Transaction) -> WorkerRow | None:
            before = transaction.db.row(_SQL["get"], (worker_id,))
            if before is None:
                return None
            row = _worker(before)
            given = row.given
            given = msgspec.structs.replace(
                given,
                draining=given.draining if draining is None else draining,
                name=given.name if name is None else name,
                labels=given.labels if labels is None else row.given_with(labels),
            )
            transaction.db.run(_SQL["give"], (_encode(given), worker_id))
            return _worker((*before[:4], _encode(given), before[5]))

        row = await self._writer.run(write)
        return None if row is None else self._fresh(row)

    async def revoke(self, worker_id: str, by: str | None = None) -> WorkerRow | None:
        def write(transaction: Transaction) -> WorkerRow | None:
            before = transaction.db.row(_SQL["get"], (worker_id,))
            if before is None:
                return None
            given = _worker(before).given
            given = msgspec.structs.replace(given, by=given.by or by)
            transaction.db.run(_SQL["revoke"], (_encode(given), worker_id))
            return msgspec.structs.replace(_worker(before), given=given, revoked=True)

        row = await self._writer.run(write)
        return None if row is None else self._fresh(row)

    async def save_seen(self) -> None:
        """Write down when each was last heard of: for display, so it need not be exact after a crash."""
        self._saved_at = self._clock.elapsed()
        seen = dict(self._seen)
        if seen:
            changes = [(now, worker_id) for worker_id, now in seen.items()]
            await self._writer.run(lambda transaction: transaction.db.run_each(_SQL["seen"], changes))
        for worker_id, now in seen.items():  # until it was written, what stands in the row is older
            if self._seen.get(worker_id) == now:
                del self._seen[worker_id]

    def _fresh(self, row: WorkerRow) -> WorkerRow:
        seen_at = self._seen.get(row.worker_id)
        return row if seen_at is None else msgspec.structs.replace(row, seen_at=seen_at)


class Known(msgspec.Struct, frozen=True):
    """What the file says of leases when it is opened, and what it says from then on (milliseconds).

    not_lost    the workers whose leases run
    lease_ms    how long those are that this process grants
    earlier_ms  how long those may be that were granted before, if that is longer; 0: none is
    """

    not_lost: list[str]
    lease_ms: int
    earlier_ms: int


def grant(db: Connection, lease_sec: float) -> Known:
    """Leases of that length are granted from now on: a longer one than any before is on stable storage when this
    returns, a shorter one counts when those before are over."""
    not_lost = [worker_id for (worker_id,) in db.rows(_SQL["not_lost"])]
    lease_ms = math.ceil(lease_sec * 1000)
    kept = db.row(_SQL["longest"])
    before_ms = kept[0] if kept is not None else 0
    if before_ms < lease_ms:
        db.run(_SQL["grant"], (lease_ms,))
    return Known(not_lost, lease_ms, before_ms if before_ms > lease_ms else 0)


def _found(transaction: Transaction, worker_ids: Sequence[str]) -> set[str]:
    """Which of them there are; none of those is lost any more."""
    return {worker_id for worker_id in worker_ids if transaction.db.run(_SQL["found"], (worker_id,))}


def _worker(row: Row) -> WorkerRow:
    registered_at, seen_at, revoked, lost, given, doc = row
    return msgspec.structs.replace(
        _decode(doc), registered_at=registered_at, seen_at=seen_at, revoked=bool(revoked), lost=bool(lost),
        given=_given(given),
    )  # fmt: skip
