"""What `MONGODB_URI` says, read without asking anybody: a name that has to be looked up is, when the store is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.uri_parser import parse_uri, split_options

from cmdexec.errors import CmdexecError

FIELD = "MONGODB_URI"

_DATABASE = "cmdexec"
"""Where the address names none."""
_DATABASE_BYTES_MAX = 63
_PLAIN, _LOOKED_UP = "mongodb://", "mongodb+srv://"
_WRONG = (InvalidURI, ConfigurationError, ValueError, OSError)
"""What the driver raises of an address; files that it names are read at once."""
_REASON_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Address:
    """`where`: the hosts, or the name that stands for them in the DNS, without user and password. `tls`: it is spoken.
    `secrets`: what no message may repeat."""

    where: str
    database: str
    tls: bool
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises CmdexecError(`bad_settings`) for what the driver has against it."""
        try:
            yield
        except _WRONG as wrong:
            mend = "See to the options at its end"
            mend += "; maxPoolSize is MONGODB_POOL_SIZE." if "poolsize" in str(wrong).lower() else "."
            raise _refused(f"MongoDB's driver does not take this address{self.reason(wrong)}", mend) from wrong

    def reason(self, fault: Exception) -> str:
        """What the driver says, as the end of a sentence."""
        return _reason(fault, self.secrets)


def read(uri: str) -> Address:
    """Raises CmdexecError(`bad_settings`) for an address that is none, and for options that the driver does not know or
    that this program does not leave to an address. No sentence holds a value of it."""
    before, _, after = uri.partition("?")
    scheme = _LOOKED_UP if before.startswith(_LOOKED_UP) else _PLAIN
    try:
        parsed = parse_uri(_PLAIN + before.removeprefix(scheme)) if before.startswith(scheme) else None
    except _WRONG as wrong:
        named = "database name" in str(wrong).lower() and "@" not in before.rpartition("/")[0].rpartition("/")[2]
        raise _no_database() if named else _no_address() from wrong
    if parsed is None:
        raise _no_address()
    database = parsed["database"] or _DATABASE
    if parsed["collection"] is not None or len(database.encode()) > _DATABASE_BYTES_MAX:
        raise _no_database()
    options = _options(after)
    looked_up = scheme == _LOOKED_UP
    hosts = (host if looked_up or port is None else f"{host}:{port}" for host, port in parsed["nodelist"])
    return Address(", ".join(hosts), database, bool(options.get("tls", looked_up)), _secrets(before, options))


def _options(given: str) -> dict[str, object]:
    """As the driver reads them. Each is tried alone first, so that the one it has something against can be named."""
    delimiter = "&" if "&" in given else ";"
    for one in filter(None, given.split(delimiter)):
        name, _, value = one.partition("=")
        # after an "@", or by another name than one of letters, it may be the end of a password that holds a "?"
        shown = f"option {name}" if re.fullmatch(r"[A-Za-z]{1,40}", name) and "@" not in given else "options"
        if name.lower() == "timeoutms":
            raise _refused(
                f"The {shown} would cut off what other settings allow.",
                "Take it out: MONGODB_ANSWER_SEC, MONGODB_CONFIRM_SEC and their like say how long each step may take.",
            )
        try:
            split_options(one)
        except _WRONG as wrong:
            reason = _reason(wrong, (value, unquote_plus(value)))
            raise _refused(f"MongoDB's driver does not take its {shown}{reason}", "Mend it, or take it out.") from wrong
    try:
        return dict(split_options(given)) if given else {}
    except _WRONG as wrong:
        raise _refused(
            f"MongoDB's driver does not take its options together{_reason(wrong, ())}", "Take one of them out."
        ) from wrong


def _secrets(before: str, options: dict[str, object]) -> tuple[str, ...]:
    password = before.rpartition("@")[0].rpartition(":")[2]
    held = [value for name, value in options.items() if "password" in name.lower() or "properties" in name.lower()]
    return tuple(one for one in (password, unquote_plus(password), *map(str, held)) if one)


def _reason(fault: Exception, secrets: tuple[str, ...]) -> str:
    said = (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
    said = said.partition("\n")[0].partition(". ")[0].strip().rstrip(".")[:_REASON_CHARS_MAX]
    hidden = not said or any(secret and secret.lower() in said.lower() for secret in secrets)
    return "." if hidden else f": {said}."


def _no_address() -> CmdexecError:
    return _refused(
        "This is no address of MongoDB.",
        "Write it as mongodb://USER:PASSWORD@HOST:27017/DATABASE?replicaSet=NAME, with what is special in user and "
        "password as %40.",
    )


def _no_database() -> CmdexecError:
    return _refused(
        "The database that this address names cannot be.",
        f'Name one of at most {_DATABASE_BYTES_MAX} bytes, without a space and any of / . " $.',
    )


def _refused(told: str, mend: str) -> CmdexecError:
    return CmdexecError("bad_settings", told, field=FIELD, mend=mend)
