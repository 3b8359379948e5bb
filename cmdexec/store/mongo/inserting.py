"""Adding jobs: of each call all or none. Keys and ids are unique by their indexes."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from cmdexec.errors import Unavailable
from cmdexec.model.job import Job
from cmdexec.store.contract.jobs_write import Inserted, Present
from cmdexec.store.mongo.batches import Batches
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.documents import STAGED, document
from cmdexec.store.mongo.jobs import with_keys

_LAST = "\U0010ffff"
"""After every key."""

_TRIES = 20
"""How often jobs are put down anew after something that was in their way has gone."""

_LOOKS = 50
"""How often a batch of another server that is in the way is looked at before it is given up: it takes a few moments
unless that server died. Giving up one that lives costs its server another try."""


class NewJobs(msgspec.Struct, frozen=True, gc=False):
    """One call: jobs, and each encoded."""

    jobs: tuple[Job, ...]
    docs: tuple[bytes, ...]

    def runs(self) -> list[tuple[str, int]]:
        """The keys, and how many jobs next to each other have each; "": none."""
        return [(key, len(list(run))) for key, run in groupby(self.jobs, key=lambda job: job.submit_key)]

    @property
    def keys(self) -> list[str]:
        """What names these jobs."""
        return [key for key, _ in self.runs() if key]

    @property
    def doubled(self) -> bool:
        """Whether an id, or the key of a run, is there twice among them."""
        keys = self.keys
        return len({job.job_id for job in self.jobs}) < len(self.jobs) or len(set(keys)) < len(keys)


Outcome = Inserted | Present | ValueError


class Inserting:
    """Adds the jobs of several calls together."""

    def __init__(self, connection: Connection, batches: Batches) -> None:
        self._connection = connection
        self._batches = batches

    async def insert(self, calls: Sequence[NewJobs]) -> list[Outcome]:
        """For each call in turn what came of it. First all are tried at once; then, one after the other, those that
        met something that may not stay."""
        outcomes: dict[int, Outcome] = {}
        first = {index: call for index, call in enumerate(calls) if not call.doubled}
        failed = (await self._try(first, outcomes)) | {index for index, call in enumerate(calls) if call.doubled}
        for index in sorted(failed):
            outcomes[index] = await self._alone(calls[index])
        return [outcomes[index] for index in range(len(calls))]

    async def _alone(self, call: NewJobs) -> Outcome:
        for _ in range(_TRIES):
            found = await self._in_the_way(call)
            if found is not None:
                return found
            outcomes: dict[int, Outcome] = {}
            if not await self._try({0: call}, outcomes, in_order=True):
                return outcomes[0]
        raise Unavailable("overloaded", "Others submit the same jobs all the time.", mend="Try again in a moment.")

    async def _try(
        self, calls: Mapping[int, NewJobs], outcomes: dict[int, Outcome], *, in_order: bool = False
    ) -> set[int]:
        """Put down the jobs of these calls, and store those of which all could be; the others, of which nothing is
        left. `in_order`: in the order of their keys and no further than the first that cannot be put down, so that of
        two servers with the same jobs one is not in the way of the other."""
        batches = {index: ObjectId() for index, call in calls.items() if len(call.jobs) > 1}
        documents = await self._documents(calls, batches)
        if in_order:
            documents.sort(key=lambda one: str(one[1].get("submitKey", _LAST)))
        refused = await self._put([one for _, one in documents], ordered=in_order)
        failed = {documents[place][0] for place in refused}
        await self._batches.drop([batch for index, batch in batches.items() if index in failed])
        whole = {batch: index for index, batch in batches.items() if index not in failed}
        sizes = {batch: len(calls[index].jobs) for batch, index in whole.items()}
        statuses = {job.status for index in whole.values() for job in calls[index].jobs}
        unsure = {whole[batch] for batch in whole.keys() - await self._batches.complete(sizes, statuses)}
        failed |= unsure - await self._stored([one for one in documents if one[0] in unsure])
        outcomes |= {index: Inserted() for index in calls.keys() - failed}
        return failed

    async def _documents(
        self, calls: Mapping[int, NewJobs], batches: Mapping[int, ObjectId]
    ) -> list[tuple[int, Document]]:
        """The documents of all, and which call each is of."""
        seq = await self._numbers(sum(len(call.jobs) for call in calls.values()))
        documents: list[tuple[int, Document]] = []
        for index, call in calls.items():
            keyed = [count if key and place == 0 else 0 for key, count in call.runs() for place in range(count)]
            for job, doc, size in zip(call.jobs, call.docs, keyed, strict=True):
                documents.append((index, document(job, doc, seq, keyed=size, batch=batches.get(index))))
                seq += 1
        return documents

    async def _stored(self, documents: Sequence[tuple[int, Document]]) -> set[int]:
        """The calls all of whose documents are there for everybody to see, whoever has shown them: no other jobs have
        their numbers."""
        if not documents:
            return set()
        which = {"_id": {"$in": [one["_id"] for _, one in documents]}, "status": {"$ne": STAGED}}
        fields = {"seq": 1}
        await self._connection.catch_up()
        found = await self._connection.read(lambda: self._connection.jobs.find(which, fields).to_list(None))
        there = {one["seq"] for one in found}
        return {index for index, _ in documents} - {index for index, one in documents if one["seq"] not in there}

    async def _numbers(self, count: int) -> int:
        """The first of so many numbers that nobody else has."""
        if count == 0:
            return 0
        try:
            found = await self._count_on(count)
        except DuplicateKeyError:  # two first ones at once
            found = await self._count_on(count)
        return int(found["seq"]) - count + 1

    async def _count_on(self, count: int) -> Document:
        about = self._connection.about
        return await self._connection.write(
            lambda: about.find_one_and_update(
                {"_id": "jobs"}, {"$inc": {"seq": count}}, upsert=True, return_document=ReturnDocument.AFTER
            )
        )

    async def _put(self, documents: Sequence[Document], *, ordered: bool) -> set[int]:
        """Which of them could not be put down."""
        if not documents:
            return set()
        try:
            await self._connection.write(lambda: self._connection.jobs.insert_many(documents, ordered=ordered))
        except BulkWriteError as fault:
            return {wrong["index"] for wrong in (fault.details or {})["writeErrors"]}
        return set()

    async def _in_the_way(self, call: NewJobs) -> Present | ValueError | None:
        """What stands where the jobs should; None if they can be tried (again)."""
        keys, job_ids = call.keys, [job.job_id for job in call.jobs]
        for look in range(_LOOKS + 1):
            await self._connection.catch_up()
            by_key, by_id = await asyncio.gather(self._find("submitKey", keys), self._find("_id", job_ids))
            hidden = {one["batch"] for one in (*by_key, *by_id) if one["status"] == STAGED}
            if hidden:  # it may come to be stored: a part of it is no answer
                await self._batches.settle(hidden, give_up=look >= _LOOKS - 1)
                continue
            if by_key:
                return Present(tuple(await with_keys(self._connection, keys)))
            twice = by_id or call.doubled
            return ValueError("a job id, or a submit key within the batch, is there twice") if twice else None
        return None

    async def _find(self, field: str, values: Iterable[str]) -> list[Document]:
        which = {field: {"$in": list(values)}}
        fields = {"status": 1, "batch": 1}
        return await self._connection.read(lambda: self._connection.jobs.find(which, fields).to_list(None))
