"""What jobs are called: finding those whose name, tag or id begins with what somebody typed, or, of the newest jobs,
contains it."""

import asyncio
import re
from collections.abc import Iterable

from cmdexec.store.contract.listing import PageWanted
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.documents import IS_STORED

_LAST_CHARACTER = "\U0010ffff"


class Naming:
    """`text` is wanted. `numbers`: of all jobs that are called so; None: too many are, so each has to be looked at."""

    def __init__(self, text: str, floor: int, numbers: frozenset[int] | None) -> None:
        self._text = text
        self._floor = floor
        self.numbers = numbers

    @classmethod
    async def of(cls, connection: Connection, wanted: PageWanted) -> "Naming | None":
        """None where jobs may be called anything."""
        if wanted.which.begins is None:
            return None
        text = wanted.which.begins.casefold()
        beginning = {"$gte": text, "$lt": text + _LAST_CHARACTER}
        begins = {"$or": [{"name": beginning}, {"tags": {"$elemMatch": beginning}}, {"_id": beginning}]}
        most = wanted.scan + 1
        floor, numbers = await asyncio.gather(_floor(connection, wanted.newest), _numbers(connection, begins, most))
        if len(numbers) == most:
            return cls(text, floor, None)
        numbers += await _containing(connection, text, floor, wanted)
        return cls(text, floor, frozenset(numbers))

    def fits(self, row: Document) -> bool:
        """Whether the job of that document is called so."""
        if self.numbers is not None:
            return True
        called: Iterable[str] = (row["_id"], row.get("name", ""), *row.get("tags", ()))
        newest = row["seq"] > self._floor
        return any(one.startswith(self._text) or (newest and self._text in one) for one in called)


async def _floor(connection: Connection, newest: int) -> int:
    """The number below those of the newest jobs."""
    found = await connection.read(
        lambda: connection.jobs.find({}, {"_id": 0, "seq": 1}).sort("seq", -1).skip(newest).limit(1).to_list(1)
    )
    return int(found[0]["seq"]) if found else 0


async def _containing(connection: Connection, text: str, floor: int, wanted: PageWanted) -> list[int]:
    if wanted.newest <= 0:
        return []
    part = {"$regex": re.escape(text).replace("\0", r"\x00")}
    which = {"seq": {"$gt": floor}, "$or": [{"name": part}, {"tags": part}, {"_id": part}]}
    return await _numbers(connection, which, wanted.newest)


async def _numbers(connection: Connection, which: Document, most: int) -> list[int]:
    """The numbers of the jobs that are such, up to so many."""
    found = await connection.read(
        lambda: connection.jobs.find({**which, "status": IS_STORED}, {"seq": 1}).limit(most).to_list(None)
    )
    return [one["seq"] for one in found]
