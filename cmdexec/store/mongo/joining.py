"""The tokens that workers join with.

A use is counted by one write of the token, on the condition that one is left; the same write notes in `taken` which
credential it is for. That credential is made after it, and the note taken away. Whoever looks for a credential that is
only noted makes it first, so both are there or neither, also when a server dies in between.
"""

from collections.abc import Sequence

import msgspec
from pymongo import ReturnDocument

from cmdexec.runtime import Runtime
from cmdexec.store.contract.identity import CredentialRow, JoinTokenRow
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.finding import forget, one, page

_encode = msgspec.msgpack.Encoder().encode
_credential = msgspec.msgpack.Decoder(CredentialRow).decode
_join_token = msgspec.msgpack.Decoder(JoinTokenRow).decode


class MongoJoinTokens:
    """`cmdexec.store.contract.identity.JoinTokens`."""

    def __init__(self, connection: Connection, runtime: Runtime) -> None:
        self._connection = connection
        self._ids = runtime.ids

    async def insert(self, token: JoinTokenRow) -> None:
        document = {
            "secretHash": token.secret_hash, "expiresAt": token.expires_at, "revoked": token.revoked,
            "uses": token.uses, "left": token.uses - token.used, "taken": [], "doc": _encode(token),
        }  # fmt: skip
        which = {"_id": token.join_token_id}
        await self._connection.write(
            lambda: self._connection.join_tokens.update_one(which, {"$setOnInsert": document}, upsert=True)
        )

    async def get(self, join_token_id: str) -> JoinTokenRow | None:
        return await self._one({"_id": join_token_id})

    async def by_secret(self, secret_hash: str) -> JoinTokenRow | None:
        return await self._one({"secretHash": secret_hash})

    async def all(self, after: str = "", limit: int = 1000) -> list[JoinTokenRow]:
        return [_token(found) for found in await page(self._connection, self._connection.join_tokens, after, limit)]

    async def workers(self, secret_hashes: Sequence[str], limit: int) -> list[tuple[str, ...]]:
        await finish_for(self._connection, {"secretHash": {"$in": list(secret_hashes)}, "taken.0": {"$exists": True}})
        return [await self._joined(secret_hash, limit) for secret_hash in secret_hashes]

    async def use(self, credential: CredentialRow, now: int) -> CredentialRow | None:
        earlier = await credential_of(self._connection, credential.secret_hash)
        if earlier is not None or credential.joined_with is None:
            return earlier
        tokens = self._connection.join_tokens
        good = {
            "secretHash": credential.joined_with, "revoked": False, "expiresAt": {"$gt": now}, "left": {"$gt": 0},
            "taken.hash": {"$ne": credential.secret_hash},
        }  # fmt: skip
        note = {
            "hash": credential.secret_hash, "workerId": credential.worker_id, "use": self._ids.new(),
            "doc": _encode(credential),
        }  # fmt: skip
        update = {"$inc": {"left": -1}, "$push": {"taken": note}}
        token: Document | None = await self._connection.write(
            lambda: tokens.find_one_and_update(good, update, return_document=ReturnDocument.AFTER)
        )
        if token is None:
            await self._connection.catch_up()  # the same credential may have come at the same moment
            return await credential_of(self._connection, credential.secret_hash)
        await _finish(self._connection, token, note)
        return await credential_of(self._connection, credential.secret_hash)

    async def revoke(self, join_token_id: str) -> JoinTokenRow | None:
        tokens, update = self._connection.join_tokens, {"$set": {"revoked": True}}
        found: Document | None = await self._connection.write(
            lambda: tokens.find_one_and_update(
                {"_id": join_token_id}, update, return_document=ReturnDocument.AFTER
            )
        )  # fmt: skip
        return None if found is None else _token(found)

    async def forget_expired(self, now: int, limit: int) -> int:
        old = {"expiresAt": {"$lt": now}}
        if limit <= 0:
            return 0
        await finish_for(self._connection, {**old, "taken.0": {"$exists": True}}, limit)
        return await forget(self._connection, self._connection.join_tokens, {**old, "taken": []}, limit)

    async def _joined(self, secret_hash: str, limit: int) -> tuple[str, ...]:
        found = await self._connection.read(
            lambda: (
                self._connection.credentials.find({"joinedWith": secret_hash}, {"workerId": 1})
                .sort("workerId", 1)
                .limit(limit)
                .to_list(None)
            )
        )
        return tuple(one["workerId"] for one in found)

    async def _one(self, which: Document) -> JoinTokenRow | None:
        return await one(self._connection, self._connection.join_tokens, which, _token)


async def credential_of(connection: Connection, secret_hash: str) -> CredentialRow | None:
    """The credential of that hash, made first if it is only noted."""

    async def kept() -> CredentialRow | None:
        return await one(connection, connection.credentials, {"_id": secret_hash}, as_credential)

    found = await kept()
    if found is None and await finish_for(connection, {"taken.hash": secret_hash}):
        found = await kept()
    return found


def as_credential(found: Document) -> CredentialRow:
    return msgspec.structs.replace(_credential(found["doc"]), revoked=found["revoked"])


def as_document(credential: CredentialRow) -> Document:
    """What is kept of a credential beside its `_id`, the hash."""
    document = {"workerId": credential.worker_id, "revoked": credential.revoked, "doc": _encode(credential)}
    return document if credential.joined_with is None else document | {"joinedWith": credential.joined_with}


async def finish_for(connection: Connection, which: Document, limit: int = 0) -> bool:
    """Make the credentials that such tokens have noted; whether there were any. `limit`: of the tokens, those that end
    first; 0: all."""
    found = connection.join_tokens.find(which)
    found = found.sort("expiresAt", 1).limit(limit) if limit else found
    tokens = await connection.read(lambda: found.to_list(None))
    for token in tokens:
        for note in token["taken"]:
            await _finish(connection, token, note)
    return bool(tokens)


async def _finish(connection: Connection, token: Document, note: Document) -> None:
    """Make the credential of a use and take the note away. If that credential has been made by another use, this one is
    given back: whichever of those who do so at once takes the note away, it is given back once."""
    given = msgspec.structs.replace(_credential(note["doc"]), labels=_join_token(token["doc"]).labels)
    which, document = {"_id": note["hash"]}, {**as_document(given), "use": note["use"]}
    await connection.write(
        lambda: connection.credentials.update_one(which, {"$setOnInsert": document}, upsert=True)
    )  # fmt: skip
    made = await connection.read(lambda: connection.credentials.find_one(which))
    update: Document = {"$pull": {"taken": {"use": note["use"]}}}
    if made is not None and made.get("use") != note["use"]:
        update["$inc"] = {"left": 1}
    noted = {"_id": token["_id"], "taken.use": note["use"]}
    await connection.write(lambda: connection.join_tokens.update_one(noted, update))


def _token(found: Document) -> JoinTokenRow:
    return msgspec.structs.replace(
        _join_token(found["doc"]), revoked=found["revoked"], used=found["uses"] - found["left"]
    )
