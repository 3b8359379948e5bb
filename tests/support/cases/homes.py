"""Where the servers of a case keep what they have: a file, a database in the replica set that tests share, or a set of
three members of its own, with a Redis, all of which may be broken."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import pymongo

from cmdexec.admin.doctor.verify import verify
from cmdexec.runtime import Runtime, system_runtime
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.sqlite.inspection import inspect_sqlite
from tests.services import members
from tests.services.mongo import Set, roomy, running, shared_uri, wipe
from tests.services.redis import RedisServer

T = TypeVar("T")

_MEMBERS = 3


class Home(Protocol):
    """What a case needs of it."""

    def begin(self) -> dict[str, str]:
        """Have it there; the settings by which servers find it. Raises Missing where it cannot be had."""
        ...

    def counts(self) -> dict[str, int]:
        """How many jobs of each status the store counts."""
        ...

    def must_be_well(self) -> None:
        """Fail unless every rule of `cmdexec doctor --verify` holds for it; no server runs any more."""
        ...

    def end(self) -> None:
        """Leave nothing, also of what has only half begun."""
        ...


Makes = Callable[[Path], Home]
"""The home of the servers whose case has that folder."""


class InFile:
    """SQLite, in the data folder of the first server: which is looked through when that ends (`system.ends`)."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "server"

    def begin(self) -> dict[str, str]:
        return {}

    def counts(self) -> dict[str, int]:
        return _asked(lambda runtime: inspect_sqlite(self._data, runtime), _counted)

    def must_be_well(self) -> None:
        return

    def end(self) -> None:
        return


class InSharedSet:
    """A database of its own in the set that tests share."""

    def __init__(self, _folder: Path) -> None:
        self._name = f"case-{secrets.token_hex(6)}"
        self._set = ""

    @property
    def _uri(self) -> str:
        before, _, options = self._set.partition("?")
        return f"{before.rstrip('/')}/{self._name}?{options}&authSource=admin"

    def begin(self) -> dict[str, str]:
        self._set = self._served()
        return {"MONGODB_URI": self._uri, "JWT_SECRET": secrets.token_hex(32)}

    def counts(self) -> dict[str, int]:
        return _asked(self._open, _counted)

    def must_be_well(self) -> None:
        wrong = _asked(self._open, _wrong)
        assert not wrong, f"what is stored in {self._name} breaks the rules of `doctor --verify`: {wrong}"

    def end(self) -> None:
        if self._set:
            with pymongo.MongoClient(self._set) as client:
                client.drop_database(self._name)

    def _served(self) -> str:
        return shared_uri()

    def _open(self, runtime: Runtime) -> Inspection:
        from cmdexec.store.mongo import open_mongo

        store = open_mongo(self._uri, runtime, make=False)
        return Inspection(store.reads.jobs, store.reads.lists, store.reads.output, store.close)


class InSetOfThree(InSharedSet):
    """A set of its own, whose members may be killed and frozen, and a Redis. Its waits are short, as leases are."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._place = Path(tempfile.mkdtemp(prefix="cmdexec-set-of-three-", dir=roomy()))
        self._logs = folder
        self.redis = RedisServer(folder / "redis")
        self._mongo: Set | None = None

    @property
    def set(self) -> Set:
        assert self._mongo is not None, "not begun"
        return self._mongo

    def begin(self) -> dict[str, str]:
        self.redis.start()
        return super().begin() | {
            "MONGODB_SELECT_SEC": "10s", "MONGODB_CONNECT_SEC": "1s", "MONGODB_ANSWER_SEC": "5s",
            "MONGODB_CONFIRM_SEC": "3s", "REDIS_URL": self.redis.url, "REDIS_RETRY_SEC": "200ms",
        }  # fmt: skip

    def end(self) -> None:
        self.redis.kill()
        for log in self._place.glob("set/*.log"):
            with suppress(OSError):
                shutil.copy(log, self._logs / f"mongod-{log.name}")
        if self._mongo is not None:
            for member in range(_MEMBERS):
                self._mongo.kill(member)
        wipe(self._place / "set")
        shutil.rmtree(self._place, ignore_errors=True)

    def _served(self) -> str:
        self._mongo = running(self._place / "set", _MEMBERS)
        members.settled(self._mongo)
        return f"{self._mongo.uri}&heartbeatFrequencyMS=500"


HOMES: dict[str, Makes] = {"sqlite": InFile, "mongo": InSharedSet}
"""Those in which any case can live."""


async def _counted(store: Inspection) -> dict[str, int]:
    return {str(status): count for status, count in (await store.jobs.counts()).items() if count}


async def _wrong(store: Inspection) -> dict[str, list[tuple[str | None, str]]]:
    return {one.name: one.told for one in (await verify(store)).found if one.wrong}


def _asked(opens: Callable[[Runtime], Inspection], ask: Callable[[Inspection], Awaitable[T]]) -> T:
    """What the store says, opened for that alone; a test may have a loop of its own in this thread."""

    async def asked() -> T:
        runtime = system_runtime("look", 2)
        try:
            store = opens(runtime)
            try:
                return await ask(store)
            finally:
                await store.close()
        finally:
            runtime.threads.close()

    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(lambda: asyncio.run(asked())).result()
