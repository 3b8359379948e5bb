"""What a store on MongoDB meets when it is opened: nobody, a stranger, another version, a server that is alone."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.runtime import Inline
from cmdexec.store.contract.identity import SessionRow
from cmdexec.store.mongo import MongoStore, open_mongo
from cmdexec.store.mongo.faults import Away
from tests.contract.engines import HandClock, Place, runtime_with
from tests.contract.making import NOW, worker
from tests.contract.mongo import address, client, failing, name_of, uri
from tests.services.mongo import Set, wipe
from tests.services.mongod import program
from tests.support.ports import free_port
from tests.support.waiting import becomes, until


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Place]:
    place = Place("mongo", folder)
    place.open()
    yield place
    await place.end()


@asynccontextmanager
async def opened(
    where: str, *, production: bool = False, clock: HandClock | None = None, answer_sec: float = 5.0
) -> AsyncIterator[MongoStore]:
    """A store with little patience."""
    store = open_mongo(
        where,
        runtime_with(clock or HandClock(), Inline()),
        production=production,
        select_sec=1.0,
        connect_sec=0.5,
        answer_sec=answer_sec,
    )
    try:
        yield store
    finally:
        await store.close()


def a_member() -> tuple[str, int]:
    hosts = urlsplit(uri()).netloc.rpartition("@")[2]
    host, _, port = hosts.partition(",")[0].partition(":")
    return host, int(port)


@asynccontextmanager
async def passed_on(port: int) -> AsyncIterator[None]:
    """What listens on that port is the tests' MongoDB."""
    open_ones: set[asyncio.StreamWriter] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        with suppress(ConnectionError):
            while piece := await reader.read(65536):
                writer.write(piece)
        writer.close()
        open_ones.discard(writer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(*a_member())
        await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for writer in open_ones:
            writer.transport.abort()
        await becomes(lambda: not open_ones, "all that was open has ended")


async def test_a_store_that_is_away_when_it_is_opened_is_used_once_it_is_there_and_again_after_a_break(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port = free_port()
    loop = asyncio.get_running_loop()
    where = f"mongodb://127.0.0.1:{port}/{name_of(place.folder)}?directConnection=true"
    async with opened(where, clock=place.clock) as store:
        for ask in (store.reach, store.reads.users.any):
            begun = loop.time()
            told = await asyncio.gather(*(ask() for _ in range(100)), return_exceptions=True)
            assert {type(one) for one in told} <= {Away, Unavailable}
            assert {str(one) for one in told} == {
                f"MongoDB at 127.0.0.1:{port} does not answer. See whether it runs, and to MONGODB_URI."
            }
            assert loop.time() - begun < 20, "not one behind the other, each as long as it may wait"
        async with passed_on(port):
            place.go_on(3)
            await store.reads.health.commit()
            assert await asyncio.gather(*(store.reads.users.any() for _ in range(100))) == [False] * 100
        with pytest.raises(Unavailable):
            await store.reads.health.commit()
        async with passed_on(port):
            place.go_on(3)
            await store.reads.health.commit()
    assert told_of(caplog) == [2, 2]


async def test_what_a_refused_command_held_is_in_no_line_of_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """MongoDB repeats it."""
    store = place.open()
    await store.reads.health.commit()
    with failing(place.folder, "users", "find", errorCode=13):
        with pytest.raises(Unavailable):
            await store.reads.users.any()
    (cause,) = [vars(record)["about"]["cause"] for record in caplog.records]
    assert cause == "Failing command via 'failCommand' failpoint"


def told_of(caplog: pytest.LogCaptureFixture) -> list[int]:
    """How often it was said that the store fails, and that it does not any more."""
    said = [record.getMessage() for record in caplog.records]
    return [said.count(one) for one in ("the store does not do what it is asked", "the store answers again")]


async def test_one_success_amid_failures_is_no_end_of_them(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = place.open()
    await store.reads.health.commit()
    for _ in range(3):
        with failing(place.folder, "heartbeats", "findAndModify", errorCode=8):
            with pytest.raises(Unavailable):
                await store.reads.health.commit()
        place.go_on(1)
        await store.reads.health.commit()
    assert told_of(caplog) == [1, 0]
    place.go_on(2)
    await store.reads.health.commit()
    assert told_of(caplog) == [1, 1]


async def test_one_that_is_slow_is_said_to_be_so_and_its_answer_may_still_count(place: Place) -> None:
    """It was done, only not said in time: the same call again finds it done."""
    async with opened(f"{address(name_of(place.folder))}&retryWrites=false", answer_sec=1.5) as store:
        session = SessionRow("jti", "u1", NOW, NOW + 1)
        await store.reads.health.commit()
        slow = {"blockConnection": True, "blockTimeMS": 2000}
        with failing(place.folder, "sessions", "update", **slow):
            with pytest.raises(Unavailable, match="has not answered in time"):
                await store.reads.sessions.insert(session)
        await store.reads.sessions.insert(session)
        assert await store.reads.sessions.get("jti") == session


async def test_a_host_that_nobody_knows_is_said_to_be_so() -> None:
    async with opened("mongodb://nobody.invalid/x") as store:
        with pytest.raises(Unavailable, match=r"A host of nobody\.invalid:27017 is not known\."):
            await store.reach()


async def test_a_user_that_mongodb_does_not_know_is_refused_at_the_start_and_told_to_whoever_asks(place: Place) -> None:
    host, port = a_member()
    async with opened(f"mongodb://nobody:u8kqZt4w0xPb@{host}:{port}/{name_of(place.folder)}?authSource=admin") as store:
        with pytest.raises(CmdexecError, match="refuses the user or the password") as caught:
            await store.reach()
        assert (caught.value.code, caught.value.field) == ("bad_settings", "MONGODB_URI")
        with pytest.raises(Unavailable, match="refuses the user or the password"):
            await store.reads.users.any()
        assert "u8kq" not in str(caught.value)


async def test_several_that_open_a_new_database_at_once_find_the_same_collections() -> None:
    name = "test-new"
    client().drop_database(name)
    try:
        stores = [open_mongo(address(name), runtime_with(HandClock(), Inline(), seed)) for seed in range(4)]
        await asyncio.gather(*(one.reach() for one in stores))
        await stores[0].reads.workers.register(worker())
        assert [len(await one.reads.workers.all()) for one in stores] == [1] * 4
        for one in stores:
            await one.close()
        indexes = {index["name"]: index for index in client()[name].workers.list_indexes()}
        assert indexes["workerId"]["unique"]
        assert "lastHeartbeat" in indexes
        jobs = [list(index["key"]) for index in client()[name].jobs.list_indexes()]
        assert ["status", "workerId"] in jobs
        assert ["createdAt"] in jobs
    finally:
        client().drop_database(name)


async def test_a_database_of_another_version_is_refused(place: Place) -> None:
    await place.open().reads.health.commit()
    about = client()[name_of(place.folder)].about
    about.update_one({"_id": "schema"}, {"$set": {"version": 2}})
    try:
        async with opened(address(name_of(place.folder))) as store:
            with pytest.raises(CmdexecError, match=r"holds version 2 of the collections; this cmdexec knows 1\."):
                await store.reach()
            with pytest.raises(Unavailable, match="holds version 2"):
                await store.reads.users.any()
    finally:
        about.update_one({"_id": "schema"}, {"$set": {"version": 1}})


@pytest.fixture(scope="module")
def alone() -> Iterator[str]:
    """The address of a mongod that is no member of a set."""
    uri()  # where there is no MongoDB, this skips
    folder = Path(tempfile.mkdtemp(prefix="cmdexec-mongo-alone-"))
    this = Set(folder, [free_port()], replicated=False)
    this.save()
    try:
        this.launch(str(program()), 0)
        until(lambda: this.states() == ["primary"], "the lone mongod answers", 30)
        yield f"mongodb://127.0.0.1:{this.ports[0]}/alone"
    finally:
        wipe(folder)


async def test_a_server_that_is_alone_is_refused_in_production_and_warned_of_elsewhere(
    alone: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(alone, production=True) as store:
        with pytest.raises(CmdexecError, match="a server that is alone, not a member of a replica set") as caught:
            await store.reach()
        assert caught.value.code == "bad_settings"
        with pytest.raises(Unavailable, match="alone"):
            await store.reads.users.any()
    async with opened(f"{alone}?retryWrites=false") as store:
        await store.reach()
        await store.reads.workers.register(worker())
        assert len(await store.reads.workers.all()) == 1
    assert sum("is a server that is alone" in record.getMessage() for record in caplog.records) == 1
