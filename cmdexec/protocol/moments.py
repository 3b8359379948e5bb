"""Moments as people write them: RFC 3339 with its offset from UTC, or so long before now."""

import re
from datetime import UTC, datetime, timedelta

from cmdexec.clock import Millis

EXAMPLE = "2025-01-31T12:00:00Z"
"""A moment."""

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_BEFORE = re.compile(r"-(\d{1,6})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str) -> Millis | None:
    """`2025-01-31T12:00:00+02:00` → milliseconds since 1970 UTC, what is finer cut off; None for what is no such
    moment (RFC 3339, 5.6; a moment that says no offset is none)."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    day, time, fraction, offset = found.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{time}{offset.upper()}")
    except ValueError:
        return None
    return (whole - _EPOCH) // timedelta(milliseconds=1) + int(f"{fraction or '':0<3}"[:3])


def moment_or_before(text: str, now: Millis) -> Millis | None:
    """As `moment`; or `-7d`, `-12h`, `-30m`, `-90s`, `-2w` before `now`."""
    found = _BEFORE.fullmatch(text)
    if found is None:
        return moment(text)
    return now - int(found[1]) * _SECONDS[found[2]] * 1000
