"""Writing jobs."""

from typing import Any

from cmdexec.store.mongo.connection import Connection
from cmdexec.store.mongo.output import MongoOutput


class MongoJobWrites:
    """Written next."""

    def __init__(self, connection: Connection, output: MongoOutput) -> None:
        self._connection = connection
        self._output = output

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)
