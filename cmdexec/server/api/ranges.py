"""`Range` of RFC 9110, 14: one range of bytes; several at once are ignored, as the RFC allows."""

import re

from cmdexec.errors import Refused

_ONE = re.compile(r"bytes=\s*(?P<first>\d{0,15})-(?P<last>\d{0,15})\s*", re.ASCII | re.IGNORECASE)


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """`bytes=0-99` of `size` bytes → `(0, 100)`, the end being the first byte that is not wanted any more.

    None where there is no range that can be understood: then all is sent. Raises Refused(`range_not_satisfiable`).
    """
    found = _ONE.fullmatch(header or "")
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        count = min(int(found["last"]), size)
        if count == 0:
            raise _beyond(size)
        return size - count, size
    first = int(found["first"])
    last = int(found["last"]) if found["last"] else size - 1
    if found["last"] and last < first:
        return None
    if first >= size:
        raise _beyond(size)
    return first, min(last + 1, size)


def _beyond(size: int) -> Refused:
    return Refused("range_not_satisfiable", f"There are {size:,} bytes; this range begins after them.", field="Range")
