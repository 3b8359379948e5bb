"""Workers, and their leases: `lastHeartbeat` is stamped by MongoDB's own clock, and compared with that clock alone.

`leases` has beside it, for each length of lease (milliseconds) that the worker was granted, when it was last: servers
that were started anew, or not yet, may grant others than this one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from cmdexec.errors import Unavailable
from cmdexec.runtime import Runtime
from cmdexec.store.contract.workers import Given, WorkerRow
from cmdexec.store.mongo.connection import Connection, Document

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(WorkerRow).decode
_given = msgspec.msgpack.Decoder(Given).decode

_TRIES = 20
"""How often a change is made anew that others were ahead of."""


class MongoWorkers:
    """`cmdexec.store.contract.workers.Workers`."""

    def __init__(self, connection: Connection, runtime: Runtime, lease_sec: float) -> None:
        """`lease_sec`: how long the leases are that this server grants."""
        self._connection = connection
        self._stamp = {"lastHeartbeat": True, f"leases.{math.ceil(lease_sec * 1000)}": True}
        self._clock = runtime.clock
        self._opened = runtime.clock.elapsed()

    async def register(self, row: WorkerRow) -> WorkerRow | None:
        update = {
            "$set": {"workerId": row.worker_id, "session": row.session, "lost": False, "doc": _encode(row)},
            "$setOnInsert": {"registeredAt": row.registered_at, "given": _encode(row.given)},
            "$max": {"revoked": row.revoked},
            "$currentDate": self._stamp,
        }

        async def write() -> Document | None:
            return await self._connection.workers.find_one_and_update(
                {"_id": row.worker_id}, update, upsert=True, return_document=ReturnDocument.BEFORE
            )

        try:
            before = await self._connection.write(write)
        except DuplicateKeyError:  # it came for the first time twice at once
            before = await self._connection.write(write)
        return None if before is None else _worker(before)

    async def get(self, worker_ids: Sequence[str]) -> list[WorkerRow | None]:
        found = await self._find({"_id": {"$in": list(worker_ids)}}, len(worker_ids))
        rows = {row.worker_id: row for row in found}
        return [rows.get(worker_id) for worker_id in worker_ids]

    async def all(self, after: str = "", limit: int = 1000) -> list[WorkerRow]:
        return await self._find({"_id": {"$gt": after}}, limit)

    async def renew(self, worker_ids: Sequence[str]) -> None:
        update = {"$set": {"lost": False}, "$currentDate": self._stamp}
        which = {"_id": {"$in": list(worker_ids)}}
        await self._connection.write(lambda: self._connection.workers.update_many(which, update))

    async def overdue(self, age_sec: float, worker_ids: Sequence[str] | None = None) -> list[WorkerRow]:
        return [_worker(one) for one in await self._late(age_sec, worker_ids, lapsed=False)]

    async def lapsed(self, lease_sec: float, worker_ids: Sequence[str] | None = None) -> list[WorkerRow]:
        return [_worker(one) for one in await self._late(lease_sec, worker_ids, lapsed=True)]

    async def mark_lost(self, worker_id: str, session: str, lease_sec: float) -> bool:
        """Whatever is granted after the look stamps the worker anew, and then no mark is made."""
        for late in await self._late(lease_sec, [worker_id], lapsed=True):
            seen = {"_id": worker_id, "session": session, "lost": False, "lastHeartbeat": late["lastHeartbeat"]}
            update = {"$set": {"lost": True}, "$unset": {"leases": ""}}
            call = partial(self._connection.workers.update_one, seen, update)
            return (await self._connection.write(call)).matched_count == 1
        return False

    async def _late(self, age_sec: float, worker_ids: Sequence[str] | None, *, lapsed: bool) -> list[Document]:
        """Those, by id, that `overdue` names, or `lapsed`."""
        if self._opened_within(age_sec) or worker_ids == []:
            return []
        now = await self._connection.beat()
        which: Document = {"lost": False, "lastHeartbeat": {"$lt": now - timedelta(seconds=age_sec)}}
        if worker_ids is not None:
            which["_id"] = {"$in": list(worker_ids)}
        found = await self._connection.read(lambda: self._connection.workers.find(which).to_list(None))
        return sorted((one for one in found if not (lapsed and _runs(one, now))), key=lambda one: str(one["_id"]))

    async def change(
        self, worker_id: str, *, draining: bool | None = None, name: str | None = None,
        labels: Mapping[str, str | None] | None = None,
    ) -> WorkerRow | None:  # fmt: skip
        def given(row: WorkerRow) -> Given:
            old = row.given
            return msgspec.structs.replace(
                old,
                draining=old.draining if draining is None else draining,
                name=old.name if name is None else name,
                labels=old.labels if labels is None else row.given_with(labels),
            )

        return await self._give(worker_id, given, {})

    async def revoke(self, worker_id: str, by: str | None = None) -> WorkerRow | None:
        def given(row: WorkerRow) -> Given:
            return msgspec.structs.replace(row.given, by=row.given.by or by)

        return await self._give(worker_id, given, {"revoked": True})

    async def _give(self, worker_id: str, given: Callable[[WorkerRow], Given], more: Document) -> WorkerRow | None:
        """Write what `given` makes of the row, on the condition that what people gave it is still what that saw."""
        workers = self._connection.workers
        for _ in range(_TRIES):
            found = await self._connection.read(lambda: workers.find_one({"_id": worker_id}))
            if found is None:
                return None
            which = {"_id": worker_id, "given": found["given"]}
            update = {"$set": {"given": _encode(given(_worker(found))), **more}}
            call = partial(workers.find_one_and_update, which, update, return_document=ReturnDocument.AFTER)
            after: Document | None = await self._connection.write(call)
            if after is not None:
                return _worker(after)
            await self._connection.catch_up()
        raise Unavailable("overloaded", "This worker is being changed by others all the time.", mend="Try again.")

    async def _find(self, which: Document, limit: int) -> list[WorkerRow]:
        if limit <= 0:
            return []
        found = await self._connection.read(
            lambda: self._connection.workers.find(which).sort("_id", 1).limit(limit).to_list(None)
        )
        return [_worker(one) for one in found]

    def _opened_within(self, age_sec: float) -> bool:
        """Whoever was not stamped since the store was opened counts from then."""
        return self._clock.elapsed() - self._opened <= age_sec


def _runs(found: Document, now: datetime) -> bool:
    """Whether a lease that the worker was granted, by whichever server, may still run."""
    leases: dict[str, datetime] = found.get("leases", {})
    return any(now - at <= timedelta(milliseconds=int(length)) for length, at in leases.items())


def _worker(found: Document) -> WorkerRow:
    return msgspec.structs.replace(
        _decode(found["doc"]), registered_at=found["registeredAt"],
        seen_at=round(found["lastHeartbeat"].timestamp() * 1000), revoked=found["revoked"], lost=found["lost"],
        given=_given(found["given"]),
    )  # fmt: skip
