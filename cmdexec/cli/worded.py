"""Times, durations, sizes and commands as people read them."""

import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime

from cmdexec.clock import Millis

_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_OPTIONS = {"`runAt`": "`--run-at`", "`containerImage`": "`--image`", "This Idempotency-Key": "This --key"}
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def millis(moment: str | None) -> Millis | None:
    """`2026-11-25T00:00:00.123Z` → milliseconds since 1970; None for None and for what is no moment."""
    if not moment:
        return None
    try:
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def duration(seconds: float) -> str:
    """`0.042` → `42ms`, `3.21` → `3.2s`, `200` → `3m20s`, `7300` → `2h1m`."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    whole = round(seconds)
    for place, (unit, size) in enumerate(_UNITS):
        if whole >= size:
            smaller, per = _UNITS[place + 1] if place + 1 < len(_UNITS) else ("s", 1)
            rest = whole % size // per
            return f"{whole // size}{unit}" + (f"{rest}{smaller}" if rest else "")
    return f"{whole}s"


def ago(moment: Millis, now: Millis) -> str:
    """`3m ago`, `in 2h`, `just now`; from a day on, only the largest unit."""
    seconds = (now - moment) / 1000
    if -1 < seconds < 1:
        return "just now"
    whole = round(abs(seconds))
    said = f"{whole}s" if whole < 60 else duration(whole)
    said = said if whole < 86400 else said.partition("d")[0] + "d"
    return f"{said} ago" if seconds > 0 else f"in {said}"


def local(moment: str | None) -> str:
    """`2026-11-25 14:03:09`, in this machine's time zone; empty for None."""
    at = millis(moment)
    if at is None:
        return ""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def said_here(text: str) -> str:
    """A sentence of the server with times as `local` has them, and with our options for the fields of its API."""
    text = _MOMENT.sub(lambda found: local(found[0]), text)
    for field, option in _OPTIONS.items():
        text = text.replace(field, option)
    return text


def size(count: int) -> str:
    """`1536` → `1.5 KB`: of 2^10 bytes, as the server's sentences, the API and the pages have them."""
    if count < 1024:
        return f"{count} byte" if count == 1 else f"{count} bytes"
    value = float(count)
    for unit in ("KB", "MB", "GB", "TB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{value:.0f} TB"


def as_typed(command: str | Sequence[str]) -> str:
    """A command as one would type it into a shell."""
    return command if isinstance(command, str) else shlex.join(command)


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 job`, `2 jobs`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
