"""The store on MongoDB, for the tests of the contract: a real replica set, and a database for each store, which is
emptied and used again, since making one takes longer than most tests."""

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pymongo
import pytest

from cmdexec.runtime import Runtime
from cmdexec.store.contract.engine import Store
from tests.services.mongo import running, standard_folder
from tests.services.packages import Missing, locked

_NAME = "mongo database"
"""The file in a store's folder that says which database it is: another process finds it so."""


@cache
def uri() -> str:
    """The address of a set that runs, started if need be; without one the test is skipped."""
    named = os.environ.get("CMDEXEC_TEST_MONGODB_URI")
    if named:
        return named
    try:
        return running(standard_folder()).uri
    except Missing as missing:
        pytest.skip(f"there is no MongoDB here: {missing}")


@cache
def client() -> "pymongo.MongoClient[dict[str, Any]]":
    """What the tests themselves look and change with."""
    one: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri(), w="majority", tz_aware=True)
    atexit.register(one.close)
    return one


def address(name: str) -> str:
    """The set's address with that database in it."""
    before, _, options = uri().partition("?")
    return f"{before.rstrip('/')}/{name}?{options}&authSource=admin"


def name_of(folder: Path) -> str:
    """The database of the store in that folder."""
    return (folder / _NAME).read_text()


@contextmanager
def failing(
    folder: Path, collection: str, command: str, *, times: int = 1, skip: int = 0, **how: Any
) -> Iterator[Callable[[], None]]:
    """The next such commands on that collection of that store fail so: by MongoDB's own fail point, of which there is
    one for all tests. What is given waits until the first of them has come."""
    data = {"failCommands": [command], "namespace": f"{name_of(folder)}.{collection}", **how}
    admin = client().admin
    with locked(standard_folder().with_suffix(".failing")):
        mode = {"skip": skip} if skip else {"times": times}
        before = admin.command("configureFailPoint", "failCommand", mode=mode, data=data)["count"]

        def entered() -> None:
            admin.command("waitForFailPoint", "failCommand", timesEntered=before + 1, maxTimeMS=5000)

        try:
            yield entered
        finally:
            admin.command("configureFailPoint", "failCommand", mode="off")


class MongoEngine:
    """Its clock is MongoDB's own. That time passed is seen by how long ago stamps were: so they are set back."""

    def __init__(self) -> None:
        self._free: list[str] = []
        self._made = 0

    def open(self, folder: Path, runtime: Runtime, lease_sec: float) -> Store:
        from cmdexec.store.mongo import open_mongo

        return open_mongo(address(self.database(folder)), runtime, lease_sec=lease_sec)

    def time(self, _folder: Path, _clock: object) -> int:
        return round(client().admin.command("hello")["localTime"].timestamp() * 1000)

    def go_on(self, folder: Path, seconds: float) -> None:
        earlier = {"$subtract": ["$$one.v", round(seconds * 1000)]}
        leases = {"$objectToArray": {"$ifNull": ["$leases", {}]}}
        change = {
            "lastHeartbeat": {"$subtract": ["$lastHeartbeat", round(seconds * 1000)]},
            "leases": {
                "$arrayToObject": {"$map": {"input": leases, "as": "one", "in": {"k": "$$one.k", "v": earlier}}}
            },
        }
        client()[self.database(folder)].workers.update_many({}, [{"$set": change}])

    def end(self, folder: Path) -> None:
        if not (folder / _NAME).exists():
            return
        name = self.database(folder)
        (folder / _NAME).unlink()
        database = client()[name]
        for collection in database.list_collection_names():
            database[collection].delete_many({} if collection != "about" else {"_id": {"$ne": "schema"}})
        self._free.append(name)

    def database(self, folder: Path) -> str:
        """The database of the store in that folder."""
        kept = folder / _NAME
        if not kept.exists():
            kept.write_text(self._free.pop() if self._free else self._make())
        return kept.read_text()

    def _make(self) -> str:
        self._made += 1
        name = f"test-{os.getpid()}-{self._made}"
        atexit.register(_dropped(name))
        return name


def _dropped(name: str) -> Callable[[], None]:
    def drop() -> None:
        with pymongo.MongoClient(uri()) as one:
            one.drop_database(name)

    return drop
