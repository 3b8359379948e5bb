"""Reading jobs."""

from typing import Any

from cmdexec.store.mongo.connection import Connection


class MongoJobReads:
    """Written next."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)
