"""What the driver raises, as what this package speaks of."""

import re
from collections.abc import Mapping
from typing import Any

from dns.exception import DNSException
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
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
from cmdexec.store.mongo.address import FIELD, Address

DUPLICATE = 11000
_MAY_NOT = 13
_UNKNOWN_USER = frozenset({18, 8000})
"""AuthenticationFailed, and what hosted services call that, or Unauthorized."""
_FOR_GOOD = frozenset({20, 59, 67, 73, 85, 86, 334})
"""IllegalOperation, CommandNotFound, CannotCreateIndex, InvalidNamespace, IndexOptionsConflict, IndexKeySpecsConflict,
MechanismUnavailable: the same command is refused again."""
_NO_ROOM = frozenset({14031})
_MAY_NOT_WHAT = re.compile(
    r"not authorized on (\S+) to execute command \{ (\w+)|not allowed to do action \[(\w+)\] on \[([^\].]+)"
)
_SAID_CHARS_MAX = 120
_UNKNOWN_NAME = ("name or service not known", "nodename nor servname", "name resolution", "no address associated")


class Denied(Unavailable):
    """It was refused, and will be again: nothing that time heals."""


class Away(Unavailable):
    """Nobody who could carry it out was found: it was not sent."""


def again(told: Unavailable) -> Unavailable:
    """The same once more, for another caller."""
    return Unavailable(told.code, told.message, retry_after=told.retry_after, mend=told.mend)


def translated(fault: PyMongoError, address: Address) -> Exception:
    """The fault of the driver: `Unavailable` with a sentence, after which the outcome of a write is unknown. What a
    caller has to tell apart stays as it is: DuplicateKeyError, and BulkWriteError where nothing but that happened. So
    does what only a fault of this program can bring about.
    """
    where = address.where
    if isinstance(fault, BulkWriteError):
        return _of_a_bulk(fault, address)
    if isinstance(fault, WriteConcernError):
        return Unavailable(
            "store_away", f"MongoDB at {where} has not confirmed in time that a majority holds a write.",
            mend="See to its members.",
        )  # fmt: skip
    if isinstance(fault, WaitQueueTimeoutError):
        mend = "Try again in a moment; MONGODB_POOL_SIZE says how many there are."
        return Unavailable("overloaded", "All connections to MongoDB are in use.", mend=mend)
    if isinstance(fault, ServerSelectionTimeoutError):
        return _away(str(fault), address)
    if isinstance(fault, ConfigurationError):
        return _of_the_address(fault, address)
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


def _of_the_address(fault: ConfigurationError, address: Address) -> Unavailable:
    """What the driver has against it is seen in part only when it is used."""
    if isinstance(fault.__cause__, DNSException):
        return Away(
            "store_away", f"The DNS does not say which hosts {address.where} is.",
            mend=f"See to the name in {FIELD}, and to the DNS.",
        )  # fmt: skip
    told = f"MongoDB's driver cannot use {address.where} as {FIELD} says{address.reason(fault)}"
    return Denied("store_away", told, mend="See to the options at its end.")


def _away(told: str, address: Address) -> Away:
    where, low = address.where, told.lower()
    if any(sign in low for sign in _UNKNOWN_NAME):
        return Away(
            "store_away", f"A host of {where} is not known.", mend=f"See to the names in {FIELD}, and to the DNS."
        )
    if "certificate verify failed" in low:
        return Away(
            "store_away", f"The certificate of MongoDB at {where} is not trusted.",
            mend=f"Add tlsCAFile=FILE to {FIELD}, or name the hosts as the certificate does.",
        )  # fmt: skip
    if "ssl" in low.partition("topology description")[0]:
        return Away(
            "store_away", f"MongoDB at {where} speaks no TLS as we do.",
            mend=f"See to tls in {FIELD}, to the ports, and to what MongoDB wants of TLS.",
        )  # fmt: skip
    if "connection closed" in low:
        see = "a certificate of ours, add tlsCertificateKeyFile=FILE" if address.tls else "TLS, add tls=true"
        return Away("store_away", f"MongoDB at {where} ends each connection.", mend=f"If it wants {see} to {FIELD}.")
    if "no replica set members" in low or "replica set name" in low:
        return Away(
            "store_away", f"MongoDB at {where} has no primary of the set that {FIELD} names.",
            mend="See to its members, and to replicaSet in the address.",
        )  # fmt: skip
    return Away("store_away", f"MongoDB at {where} does not answer.", mend=f"See whether it runs, and to {FIELD}.")


def _of_code(code: int | None, details: Mapping[str, Any] | None, where: str) -> CmdexecError:
    said = str((details or {}).get("errmsg") or "")
    if code == _MAY_NOT or (code in _UNKNOWN_USER and "not allowed" in said):
        return _may_not(said, where)
    if code in _UNKNOWN_USER:
        return Denied(
            "store_away", f"MongoDB at {where} refuses the user or the password of {FIELD}.",
            mend="See to both in the address, and to authSource: the database that knows the user.",
        )  # fmt: skip
    if code in _NO_ROOM:
        return Unavailable("disk_full", f"MongoDB at {where} has no room left on its disk.", mend="Make room there.")
    name = (details or {}).get("codeName")
    shown = re.split(r"[{\n]", said)[0].strip().rstrip(".:")[:_SAID_CHARS_MAX]  # what a command held is behind a brace
    told = f"MongoDB at {where} refused a command: error {code}{f' ({name})' if name else ''}"
    told += f": {shown}." if shown else "."
    if code in _FOR_GOOD:
        return Denied("store_away", told, mend=f"See to the database and the options that {FIELD} names.")
    return Unavailable("store_away", told)


def _may_not(said: str, where: str) -> Denied:
    if "requires authentication" in said:
        told = f"MongoDB at {where} wants a user, and {FIELD} names none."
        return Denied("store_away", told, mend="Write it as mongodb://USER:PASSWORD@HOST:27017/DATABASE.")
    found = _MAY_NOT_WHAT.search(said)
    what, database = (found[2] or found[3], found[1] or found[4]) if found else (None, None)
    told = f"The user of {FIELD} may not do at MongoDB {where} what is needed."
    if what:
        told = f"The user of {FIELD} may not {what} in the database {database} of MongoDB at {where}."
    return Denied("store_away", told, mend="Give it the role readWrite there, or name the database it may use.")


def _of_a_bulk(fault: BulkWriteError, address: Address) -> Exception:
    details: Mapping[str, Any] = fault.details or {}
    for wrong in details.get("writeErrors", ()):
        if wrong.get("code") != DUPLICATE:
            return _of_code(wrong.get("code"), wrong, address.where)
    if details.get("writeConcernErrors"):
        return translated(WriteConcernError("not confirmed"), address)
    return fault
