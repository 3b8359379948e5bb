"""The client, its collections, and the guard around every call. Nothing is sent before the first call."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from bson import ObjectId
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_preferences import ReadPreference
from pymongo.topology_description import TopologyDescription

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.runtime import Runtime
from cmdexec.store.mongo.address import read
from cmdexec.store.mongo.faults import Away, again, translated

T = TypeVar("T")
Document = dict[str, Any]
Collection = AsyncIOMotorCollection[Document]
Database = AsyncIOMotorDatabase[Document]
_Primary = tuple[tuple[str, int | None], ObjectId | None]

_LOOK_SEC = 1.0
"""How often a store that is away is looked for."""

_PRIMARIES = 5
"""How often a read is made anew since another member became the primary meanwhile."""

_CALM_SEC = 3.0
"""How long nothing may have failed before it is said that the store answers again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may be under way, and how long each step is waited for (seconds).

    pool_size   connections to each member
    calls       calls that may wait or be under way; more is refused as `overloaded`
    select_sec  for a primary, and for a free connection
    connect_sec for a connection to be made
    answer_sec  for the answer to a command
    confirm_sec for a majority to hold a write
    """

    pool_size: int
    calls: int
    select_sec: float
    connect_sec: float
    answer_sec: float
    confirm_sec: float


class Connection:
    """One client, of one event loop.

    Writes are acknowledged when a majority of the members has them in its journal (promise 1), reads give what a
    majority has, from the primary. What the address itself says goes after that, so `retryWrites=false` counts.
    """

    def __init__(self, uri: str, runtime: Runtime, bounds: Bounds, *, writes: bool = True) -> None:
        """`writes`: not somebody who only looks, and who may be shown what was there a moment ago.

        Raises CmdexecError(`bad_settings`) for an address that will not do; the sentence holds no password.
        """
        self._address = read(uri)
        self.where = self._address.where
        self.last_write: float | None = None
        self._runtime = runtime
        self._server = runtime.ids.new()
        self._calls_max = bounds.calls
        self._calls = 0
        self._closed = False
        self._failing = False
        self._failed_at = 0.0
        self._away: Unavailable | None = None
        self._away_until = 0.0
        self._trying = False
        self._prepare: Callable[[], Awaitable[None]] | None = None
        self._preparing = asyncio.Lock()
        self._catches_up = writes
        self._catching_up = asyncio.Lock()
        self._not_caught_up: Unavailable | None = None
        self._written_to: _Primary | None = None
        self._places = asyncio.Semaphore(bounds.pool_size)
        with self._address.taken():
            self.client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
                uri, w="majority", journal=True, wtimeoutMS=_ms(bounds.confirm_sec), readConcernLevel="majority",
                tz_aware=True, maxPoolSize=bounds.pool_size, serverSelectionTimeoutMS=_ms(bounds.select_sec),
                waitQueueTimeoutMS=_ms(bounds.select_sec), connectTimeoutMS=_ms(bounds.connect_sec),
                socketTimeoutMS=_ms(bounds.answer_sec), appname="cmdexec",
                serverMonitoringMode="poll",  # else one that refused a login is not looked at again for 10 s
            )  # fmt: skip
        options: CodecOptions[Document] = CodecOptions(tz_aware=True)
        self.database: Database = self.client.get_database(
            self._address.database, codec_options=options, read_preference=ReadPreference.PRIMARY
        )
        self.jobs: Collection = self.database["jobs"]
        self.job_logs: Collection = self.database["jobLogs"]
        self.workers: Collection = self.database["workers"]
        self.heartbeats: Collection = self.database["heartbeats"]
        self.users: Collection = self.database["users"]
        self.sessions: Collection = self.database["sessions"]
        self.credentials: Collection = self.database["credentials"]
        self.join_tokens: Collection = self.database["joinTokens"]
        self.about: Collection = self.database["about"]

    def prepares(self, prepare: Callable[[], Awaitable[None]]) -> None:
        """What has to succeed once, before any other call is carried out."""
        self._prepare = prepare

    async def prepare(self) -> None:
        """Carry that out unless it has been. Raises CmdexecError: what a person has to mend, or Unavailable."""
        await self._guarded(self._prepare_once)

    def elapsed(self) -> float:
        """Seconds by this server's own clock, for how long ago something was."""
        return self._runtime.clock.elapsed()

    def warn(self, told: str, mend: str) -> None:
        self._runtime.log.warning(told, mend=mend)

    async def read(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns, which only reads. Raises what it raises, or Unavailable.

        A member that has just been elected has all that was acknowledged, and may not know yet that a majority has it:
        of the last of it it shows nothing. So the first read from a new primary comes after a write to it.
        """
        for _ in range(_PRIMARIES):
            await self._caught_up()
            result = await self._guarded(lambda: self._prepared(call))
            if not self._catches_up or self._primary() == self._written_to:
                return result
        raise Unavailable("store_away", f"MongoDB at {self.where} elects another primary all the time.")

    async def write(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns, once what it wrote is on stable storage. Raises DuplicateKeyError, BulkWriteError (where
        keys were there already, and nothing else was wrong), or Unavailable: then the outcome is unknown."""
        before = self._primary()
        result = await self._guarded(lambda: self._prepared(call))
        self.last_write = self._runtime.clock.elapsed()
        if before is not None and before == self._primary():
            self._written_to = before
        return result

    async def _caught_up(self) -> None:
        """What the primary of now shows is all that was acknowledged before. One write does for all who wait for that,
        also one that fails."""
        if not self._catches_up or self._is_caught_up():
            return
        before = self._not_caught_up
        async with self._catching_up:
            if self._not_caught_up is not None and self._not_caught_up is not before:
                raise again(self._not_caught_up)
            for _ in range(_PRIMARIES):
                if self._is_caught_up():
                    return
                try:
                    await self.catch_up()
                except Unavailable as away:
                    self._not_caught_up = away
                    raise

    def _is_caught_up(self) -> bool:
        primary = self._primary()
        return primary is not None and primary == self._written_to

    def _primary(self) -> _Primary | None:
        """Who is the primary, as far as is known without asking: its address, and by which election."""
        seen: TopologyDescription = self.client.delegate.topology_description
        for address, server in seen.server_descriptions().items():
            if server.is_writable:
                return address, server.election_id
        return None

    async def beat(self) -> datetime:
        """This server's heartbeat: what time it is by the store's clock, once a majority holds it. So it is the time of
        one that may still write, and what was written before it a majority holds as well."""
        try:
            found = await self.write(self._beat)
        except DuplicateKeyError:  # two first ones at once
            found = await self.write(self._beat)
        at: datetime = found["at"]
        return at

    async def _beat(self) -> Document:
        found: Document = await self.heartbeats.find_one_and_update(
            {"_id": self._server}, {"$currentDate": {"at": True}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        return found

    async def catch_up(self) -> None:
        """After this a read finds all that was there before it. Reads give what a majority holds, so one that follows a
        conflict may still miss what it conflicted with; a write that a majority confirms comes after all before it."""
        await self.beat()

    def close(self) -> None:
        """Later calls are refused."""
        self._closed = True
        self.client.close()

    async def _guarded(self, call: Callable[[], Awaitable[T]]) -> T:
        if self._closed:
            raise Unavailable("store_away", "The store is closed.")
        if self._calls >= self._calls_max:
            raise Unavailable("overloaded", "Too much waits for the store.", mend="Try again in a moment.")
        self._calls += 1
        try:
            async with self._place():
                result = await call()
        except PyMongoError as fault:
            told = translated(fault, self._address)
            if isinstance(told, Unavailable):
                self._failed(told, fault)
            if told is fault:
                raise
            raise told from fault
        finally:
            self._calls -= 1
        self._recovered()
        return result

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of as many calls as there are connections. Once nobody was found for as long as one may be waited for,
        one call looks whether somebody is there, a little later; the others, and those that waited meanwhile, are told
        at once."""
        waited = self._away is None
        async with self._places:
            early = self._runtime.clock.elapsed() < self._away_until
            if self._away is not None and (waited or early or self._trying):
                raise again(self._away)
            tries = self._away is not None
            self._trying = self._trying or tries
            try:
                yield
            finally:
                if tries:
                    self._trying = False

    async def _prepared(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call, after what has to come before the first one: the store may have been away at the start."""
        if self._prepare is not None:
            try:
                await self._prepare_once()
            except Unavailable:
                raise
            except CmdexecError as fault:
                raise Unavailable("store_away", fault.message, mend=fault.mend) from fault
        return await call()

    async def _prepare_once(self) -> None:
        async with self._preparing:
            if self._prepare is None:
                return
            if self._away is not None and not self._trying:
                raise again(self._away)
            await self._prepare()
            self._prepare = None

    def _failed(self, told: Unavailable, fault: PyMongoError) -> None:
        if isinstance(told, Away):
            self._away = told
            self._away_until = self._runtime.clock.elapsed() + _LOOK_SEC
        if told.code == "overloaded" or self._closed:
            return
        self._failed_at = self._runtime.clock.elapsed()
        if not self._failing:
            self._failing = True
            cause = re.split(r", full error|[{\n]", str(fault))[0].strip()[:300]  # a brace begins what a command held
            self._runtime.log.error("the store does not do what it is asked", why=told.message, cause=cause)

    def _recovered(self) -> None:
        self._away = None
        if self._failing and self._runtime.clock.elapsed() - self._failed_at >= _CALM_SEC:
            self._failing = False
            self._runtime.log.info("the store answers again", where=self.where)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
