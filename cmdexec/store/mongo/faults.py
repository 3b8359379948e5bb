"""What the driver raises, as what this package speaks of."""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from cmdexec.errors import CmdexecError, Unavailable

FIELD = "MONGODB_URI"
DUPLICATE = 11000
_MAY_NOT = frozenset({13, 18, 8000})
"""Unauthorized, AuthenticationFailed, and what hosted services call the latter."""
_NO_ROOM = frozenset({14031})
_UNKNOWN_NAME = ("name or service not known", "nodename nor servname", "name resolution", "no address associated")


class Denied(Unavailable):
    """MongoDB knows no such user and password, or does not let that user do it: nothing that time heals."""


class Away(Unavailable):
    """Nobody who could carry it out was found: it was not sent."""


def again(told: Unavailable) -> Unavailable:
    """The same once more, for another caller."""
    return Unavailable(told.code, told.message, retry_after=told.retry_after, mend=told.mend)


def translated(fault: PyMongoError, where: str) -> Exception:
    """The fault of the driver: `Unavailable` with a sentence, after which the outcome of a write is unknown. What a
    caller has to tell apart stays as it is: DuplicateKeyError, and BulkWriteError where nothing but that happened. So
    does what only a fault of this program can bring about. `where`: the hosts, without user and password.
    """
    if isinstance(fault, BulkWriteError):
        return _of_a_bulk(fault, where)
    if isinstance(fault, WriteConcernError):
        return Unavailable(
            "store_away", f"MongoDB at {where} has not confirmed in time that a majority holds a write.",
            mend="See to its members.",
        )  # fmt: skip
    if isinstance(fault, WaitQueueTimeoutError):
        mend = "Try again in a moment; MONGODB_POOL_SIZE says how many there are."
        return Unavailable("overloaded", "All connections to MongoDB are in use.", mend=mend)
    if isinstance(fault, ServerSelectionTimeoutError):
        return _away(str(fault), where)
    if isinstance(fault, NetworkTimeout | ExecutionTimeout):
        return Unavailable(
            "store_away", f"MongoDB at {where} has not answered in time.",
            mend="See to its load; MONGODB_ANSWER_SEC says how long it may take.",
        )  # fmt: skip
    if isinstance(fault, ConnectionFailure | AutoReconnect):
        return Unavailable("store_away", f"The connection to MongoDB at {where} broke off.")
    if isinstance(fault, OperationFailure) and not isinstance(fault, DuplicateKeyError):
        return _of_code(fault.code, fault.details, where)
    if isinstance(fault, InvalidOperation):
        return Unavailable("store_away", "The store is closed.")
    return fault


def _away(told: str, where: str) -> Away:
    if any(sign in told.lower() for sign in _UNKNOWN_NAME):
        return Away(
            "store_away", f"A host of {where} is not known.", mend=f"See to the names in {FIELD}, and to the DNS."
        )
    if "no replica set members" in told.lower() or "replica set name" in told.lower():
        return Away(
            "store_away", f"MongoDB at {where} has no primary of the set that {FIELD} names.",
            mend="See to its members, and to replicaSet in the address.",
        )  # fmt: skip
    return Away("store_away", f"MongoDB at {where} does not answer.", mend=f"See whether it runs, and to {FIELD}.")


def _of_code(code: int | None, details: Mapping[str, Any] | None, where: str) -> CmdexecError:
    if code in _MAY_NOT:
        return Denied(
            "store_away", f"MongoDB at {where} refuses the user or the password of {FIELD}, or what it wants to do.",
            mend="See to user, password and authSource in the address, and to the user's roles (readWrite).",
        )  # fmt: skip
    if code in _NO_ROOM:
        return Unavailable("disk_full", f"MongoDB at {where} has no room left on its disk.", mend="Make room there.")
    name = (details or {}).get("codeName") or "no name"
    return Unavailable("store_away", f"MongoDB at {where} refused a command: error {code} ({name}).")


def _of_a_bulk(fault: BulkWriteError, where: str) -> Exception:
    details: Mapping[str, Any] = fault.details or {}
    for wrong in details.get("writeErrors", ()):
        if wrong.get("code") != DUPLICATE:
            return _of_code(wrong.get("code"), wrong, where)
    if details.get("writeConcernErrors"):
        return translated(WriteConcernError("not confirmed"), where)
    return fault
