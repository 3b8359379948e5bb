"""Writing jobs: every write compares what is stored with what it was decided on. Calls of each kind that come while
others are carried out are carried out together."""

from collections.abc import Callable, Sequence

from cmdexec.model.job import Job
from cmdexec.store.contract.jobs_write import Applied, Foreseen, Inserted, JobWrite, NotWritten, Present, Wanted
from cmdexec.store.mongo.applying import Applying
from cmdexec.store.mongo.batches import Batches
from cmdexec.store.mongo.claiming import Claiming
from cmdexec.store.mongo.connection import Bounds, Connection
from cmdexec.store.mongo.documents import encode
from cmdexec.store.mongo.inserting import Inserting, NewJobs
from cmdexec.store.mongo.inserting import Outcome as OfInsert
from cmdexec.store.mongo.output import MongoOutput
from cmdexec.store.mongo.together import Together

_TURN_ITEMS = 256
_TURN_CLAIMS = 64
_TURN_BYTES = 8 << 20


class MongoJobWrites:
    """`cmdexec.store.contract.jobs_write.JobWrites`."""

    def __init__(self, connection: Connection, output: MongoOutput, bounds: Bounds) -> None:
        self._connection = connection
        self._batches = Batches(connection)
        self._apart_sec = bounds.answer_sec + bounds.confirm_sec
        self._inserts: Together[NewJobs, OfInsert] = Together(
            Inserting(connection, self._batches).insert, waiting_max=bounds.calls, items=_TURN_ITEMS, size=_TURN_BYTES
        )
        self._claims: Together[Wanted, list[Job]] = Together(
            Claiming(connection).claim, waiting_max=bounds.calls, items=_TURN_CLAIMS, size=_TURN_BYTES
        )
        self._changes: Together[Sequence[JobWrite], list[Applied | NotWritten]] = Together(
            Applying(connection, output).apply, waiting_max=bounds.calls, items=_TURN_ITEMS, size=_TURN_BYTES
        )

    async def insert(self, jobs: Sequence[Job], standing: Callable[[], None] | None = None) -> Inserted | Present:
        new = NewJobs(tuple(jobs), tuple(map(encode, jobs)))
        outcome = await self._inserts.run(new, sum(map(len, new.docs)))
        if isinstance(outcome, ValueError):
            raise outcome
        if standing is not None:
            standing()
        return outcome

    async def claim(self, wanted: Wanted, foreseen: Foreseen | None = None) -> list[Job]:
        return await self._claims.run(wanted)

    async def apply(self, writes: Sequence[JobWrite]) -> list[Applied | NotWritten]:
        size = sum(len(piece.data) for write in writes for piece in write.append)
        return await self._changes.run(writes, size + sum(write.job.spec.weight for write in writes))

    async def forget_submit_keys(self, before: int, limit: int) -> int:
        """And what servers that died have left half done, now that somebody tidies up."""
        await self._batches.sweep(self._apart_sec)
        if limit <= 0:
            return 0
        jobs = self._connection.jobs
        found = await self._connection.read(
            lambda: jobs.find({"keyedAt": {"$lt": before}}, {"_id": 1}).sort("keyedAt", 1).limit(limit).to_list(None)
        )
        if not found:
            return 0
        which = {"_id": {"$in": [one["_id"] for one in found]}, "keyedAt": {"$lt": before}}
        free = {"$unset": {"submitKey": "", "keyedJobs": "", "keyedAt": ""}}
        done = await self._connection.write(lambda: jobs.update_many(which, free))
        return int(done.modified_count)
