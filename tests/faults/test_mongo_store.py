"""MongoDB is killed, or elects, in the midst of writes: what it acknowledged is there, and every call that broke off
and was made again is as if it had been made once."""

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pymongo
import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Job, Status
from cmdexec.runtime import ThreadPool
from cmdexec.store.contract.engine import Store
from cmdexec.store.contract.jobs_write import Applied, InlineOutput, Inserted, Present
from cmdexec.store.contract.output import Append
from tests.contract.engines import HandClock, runtime_with
from tests.contract.making import changed, jobs, running, wanted, write
from tests.contract.writing import output_of
from tests.faults.test_mongo import step_down
from tests.services import mongo as service
from tests.services.mongo import Set, wipe
from tests.services.packages import Missing
from tests.support.waiting import becomes

T = TypeVar("T")
BREAKS = 6
BATCH = 4


@pytest.fixture
def mongo() -> Iterator[Set]:
    """A set of its own, which may be killed."""
    folder = Path(tempfile.mkdtemp(prefix="cmdexec-faults-mongo-store-"))
    try:
        yield service.running(folder)
    except Missing as missing:
        pytest.skip(f"there is no MongoDB here: {missing}")
    finally:
        wipe(folder)


@pytest.fixture
async def servers(mongo: Set) -> AsyncIterator[list[Store]]:
    from cmdexec.store.mongo import open_mongo

    pools = [ThreadPool(4, "store") for _ in range(2)]
    stores = [
        open_mongo(mongo.uri, runtime_with(HandClock(), pool, seed), select_sec=5) for seed, pool in enumerate(pools)
    ]
    yield [*stores]
    for store in stores:
        await store.close()
    for pool in pools:
        pool.close()


class Life:
    """Submitters and workers at two servers, who make each call again until they are answered."""

    def __init__(self, servers: list[Store]) -> None:
        self._servers = itertools.cycle(servers)
        self._numbers = itertools.count()
        self.there = asyncio.Event()
        self.there.set()
        self.stop = False
        self.submitting = 0
        self.broke_off = 0
        self.under_way = 0
        self.submitted: list[Job] = []
        self.ended: list[Job] = []

    async def surely(self, call: Callable[[Store], Awaitable[T]]) -> T:
        """The answer, from either server: the outcome of a call that broke off is not known to anybody."""
        while True:
            self.under_way += 1
            try:
                return await call(next(self._servers))
            except Unavailable:
                self.broke_off += 1
                await self.there.wait()
                await asyncio.sleep(0)
            finally:
                self.under_way -= 1

    async def submit(self) -> None:
        self.submitting += 1
        while not self.stop:
            number = next(self._numbers)
            new = jobs(BATCH, number * BATCH, submit_key=f"submission {number}")
            outcome = await self.surely(lambda store, new=new: store.jobs_write.insert(new))
            assert outcome == Inserted() or (isinstance(outcome, Present) and names(outcome.jobs) == names(new))
            self.submitted += new
        self.submitting -= 1

    async def work(self, worker: str) -> None:
        for number in itertools.count():
            last = self.stop and not self.submitting
            asked = wanted(f"{worker}-{number}", limit=3, worker_id=worker)
            got = await self.surely(lambda store, asked=asked: store.jobs_write.claim(asked))
            if not got and last:
                return
            await asyncio.gather(*(self._run(one) for one in got))

    async def _run(self, mine: Job) -> None:
        go, data = running(mine), output_of(mine.job_id)
        start = write(mine, go, f"start-{mine.job_id}", opens=1)
        assert await self.surely(lambda store: store.jobs_write.apply([start])) == [Applied(go)]
        piece = Append(go.job_id, 1, "s1", "stdout", 0, data[:900], 1 << 30)
        (stored,) = await self.surely(lambda store: store.reads.output.append([piece]))
        assert stored.row is not None
        assert (stored.row.stdout, stored.refused) == (900, None)
        end = changed(go, status=Status.COMPLETED, claim_id=None)
        rest = (InlineOutput("stdout", 900, data[900:]),)
        change = write(go, end, f"end-{go.job_id}", append_to=1, append=rest, closes=1, measured=(900, 0))
        assert await self.surely(lambda store: store.jobs_write.apply([change])) == [Applied(end)]
        self.ended.append(end)


def kill(mongo: Set) -> None:
    mongo.kill(0)


def beats(mongo: Set) -> dict[str, datetime]:
    """When each server last wrote its heartbeat."""
    with pymongo.MongoClient(mongo.uri) as client:
        return {one["_id"]: one["at"] for one in client["cmdexec"]["heartbeats"].find()}


def names(of: tuple[Job, ...] | list[Job]) -> list[str]:
    return [one.job_id for one in of]


@pytest.mark.timeout(150)
async def test_kills_and_elections_of_mongodb_lose_nothing_and_double_nothing(mongo: Set, servers: list[Store]) -> None:
    life = Life(servers)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(life.submit())
        for number in range(6):
            tasks.create_task(life.work(f"w{number}"))
        for number in range(BREAKS):
            enough = len(life.ended) + 20
            await becomes(lambda enough=enough: len(life.ended) >= enough, f"jobs run before break {number + 1}", 40)
            assert life.under_way >= 6, "each worker is in the midst of a call"
            life.there.clear()
            await asyncio.to_thread(step_down if number % 2 else kill, mongo)
            await asyncio.to_thread(mongo.start)
            life.there.set()
        life.stop = True
    assert life.broke_off, "the driver alone asked again, each time"
    store = servers[0]
    assert sorted(names(life.ended)) == sorted(names(life.submitted))
    assert await store.reads.jobs.get(names(life.ended)) == life.ended
    assert {(one.attempt, one.rev) for one in life.ended} == {(1, 3)}
    counts = await store.reads.jobs.counts()
    assert counts == dict.fromkeys(Status, 0) | {Status.COMPLETED: len(life.ended)}
    for one in life.ended:
        assert await store.reads.output.read(one.job_id, 1, "stdout", 0, 1 << 20) == output_of(one.job_id)


@pytest.mark.timeout(60)
async def test_the_first_read_from_a_new_primary_comes_after_a_write_to_it(mongo: Set, servers: list[Store]) -> None:
    """Else it might not show yet what another server was told to be stored: what a majority has, who was just elected
    has, and does not know yet that a majority has it."""
    one, other = servers
    new = jobs(1)
    assert await one.jobs_write.insert(new) == Inserted()
    assert await other.reads.jobs.get(names(new)) == new
    await asyncio.to_thread(kill, mongo)
    await asyncio.to_thread(mongo.start)
    before = await asyncio.to_thread(beats, mongo)
    assert await other.reads.jobs.get(names(new)) == new
    after = await asyncio.to_thread(beats, mongo)
    assert after.items() - before.items(), "it has written before it read"
    assert await other.reads.jobs.get(names(new)) == new
    assert await asyncio.to_thread(beats, mongo) == after, "it did that once"
