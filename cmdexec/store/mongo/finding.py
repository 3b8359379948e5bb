"""Queries that several collections have in common."""

from collections.abc import Callable
from typing import TypeVar

from cmdexec.store.mongo.connection import Collection, Connection, Document

T = TypeVar("T")


async def one(
    connection: Connection, collection: Collection, which: Document, decode: Callable[[Document], T]
) -> T | None:
    """The row of the document that is such."""
    found = await connection.read(lambda: collection.find_one(which))
    return None if found is None else decode(found)


async def page(connection: Connection, collection: Collection, after: str, limit: int) -> list[Document]:
    """Documents by id, beginning after `after`."""
    if limit <= 0:
        return []
    found: list[Document] = await connection.read(
        lambda: collection.find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit).to_list(None)
    )
    return found


async def forget(connection: Connection, collection: Collection, which: Document, limit: int) -> int:
    """Delete up to `limit` documents that are such, those that ended longest ago first; how many."""
    if limit <= 0:
        return 0
    found = await connection.read(
        lambda: collection.find(which, {"_id": 1}).sort("expiresAt", 1).limit(limit).to_list(None)
    )
    ids = [document["_id"] for document in found]
    if not ids:
        return 0
    done = await connection.write(lambda: collection.delete_many({"_id": {"$in": ids}, **which}))
    return int(done.deleted_count)
