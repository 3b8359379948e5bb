"""Names that an object of JSON has twice. Each program that reads such a thing takes another one of the values, so what
a person meant cannot be known (RFC 8259, 4): it is refused."""

import json
from typing import Any

from cmdexec.errors import Refused

_MAX_SHOWN = 100

_Pairs = list[tuple[str, Any]]


class _Repeated(Exception):
    """An object names something twice."""


class _Object(_Pairs):
    """An object with all that was written in it."""


def refuse_repeats(body: bytes, least: int, place: str = "") -> None:
    """Raises Refused(`invalid_field`) if an object of `body` has a name twice, however the name is escaped.

    body    JSON that was decoded before, as a kind that allows for no unknown fields: so it is not nested deeply
    least   how many names it must have at the very least. If it has no more colons than that, no name is there twice,
            and nothing has to be read again: so it is with jobs that are a command and nothing else
    place   where `body` stands in the whole: `[3]`
    """
    if body.count(b":") <= least:
        return
    try:
        json.loads(body, object_pairs_hook=_distinct, parse_int=str, parse_float=str)
    except _Repeated as repeated:
        found = _first(json.loads(body, object_pairs_hook=_Object, parse_int=str, parse_float=str)) or ""
        where = f"{place}.{found}" if place else found
        raise Refused(
            "invalid_field", f"`{where}` is given more than once.", field=where, mend="Give it once."
        ) from repeated


def _distinct(pairs: _Pairs) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Repeated


def _first(value: Any) -> str | None:
    """Where the first name stands that is there twice: `[0].env.A`."""
    if isinstance(value, _Object):
        seen: set[str] = set()
        for name, inner in value:
            shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
            if name in seen:
                return shown
            seen.add(name)
            if (found := _first(inner)) is not None:
                return shown + (found if found.startswith("[") else f".{found}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            if (found := _first(inner)) is not None:
                return f"[{place}]" + (found if found.startswith("[") else f".{found}")
    return None
