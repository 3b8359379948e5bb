"""Whether the store does its work. How much room it has it does not tell."""

from cmdexec.clock import Millis
from cmdexec.store.contract.reads import Room
from cmdexec.store.mongo.connection import Connection


class MongoHealth:
    """`cmdexec.store.contract.reads.Health`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def commit(self) -> Millis:
        return round((await self._connection.beat()).timestamp() * 1000)

    async def room(self) -> Room:
        return Room(None)

    def last_write(self) -> float | None:
        return self._connection.last_write
