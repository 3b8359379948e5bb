"""Reading documents in order, some at a time: what is stored of one may be small or large."""

from collections.abc import Sequence
from typing import Any

from cmdexec.store.mongo.connection import Collection, Connection, Document

_BYTES = 4 << 20
"""The most of `doc` that is read at once, beyond the first document."""


async def chunk(
    connection: Connection, collection: Collection, which: Document, fields: Sequence[str],
    order: Sequence[tuple[str, int]], limit: int,
) -> tuple[list[Document], bool]:  # fmt: skip
    """The first documents that are such, up to `limit` of them, and fewer where they are large; and whether there are
    no more."""

    async def read() -> tuple[list[Document], bool]:
        cursor: Any = collection.find(which, list(fields)).sort(list(order)).limit(limit)
        found: list[Document] = []
        size = 0
        async for one in cursor:
            found.append(one)
            size += len(one.get("doc", b""))
            if size > _BYTES:
                await cursor.close()
                return found, False
        return found, len(found) < limit

    return await connection.read(read)
