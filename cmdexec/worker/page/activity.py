"""What happened lately, for the window: what the worker logs, and what became of its jobs."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from cmdexec.clock import Clock

_LOGGER = "cmdexec"
_CHARS = 500
_CAUSES = ("error", "why", "no_cgroups", "said", "message")
"""What a log says of the reason, the first of them that it has."""
_FOR_MACHINES = frozenset({
    *_CAUSES, "wait_sec", "warden", "worker", "mode", "exit_code", "limits", "running", "jobs", "op", "code", "key",
    "attempt", "job_id", "offset",
})  # fmt: skip
"""What it says beside its sentence that no person looks for in the window."""


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """`number` rises from 1; `at`: ms since 1970; `level` as of a log, or what became of a job: `completed`, `failed`,
    `cancelled`, `declined`; then `key` is its attempt."""

    number: int
    at: int
    level: str
    text: str
    key: str | None = None


class Activity:
    """The last of it, a bounded number."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=most)
        self._count = 0

    def add(self, level: str, text: str, key: str | None = None) -> None:
        """The next thing that happened."""
        self._count += 1
        self._entries.append(Entry(self._count, self._clock.now(), level, text[:_CHARS], key))

    def since(self, number: int) -> list[Entry]:
        """All that came after that number and is still kept."""
        return [entry for entry in self._entries if entry.number > number]

    @contextmanager
    def hears_the_log(self) -> Iterator[None]:
        """What is logged in here, from `info` on, is activity as well. Used inside a running loop."""
        tap = _Tap(self, asyncio.get_running_loop())
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(tap)
        try:
            yield
        finally:
            logger.removeHandler(tap)


class _Tap(logging.Handler):
    """Hands on what any thread logs, on the loop."""

    def __init__(self, activity: Activity, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(logging.INFO)
        self._activity, self._loop = activity, loop

    def emit(self, record: logging.LogRecord) -> None:
        about: dict[str, object] = dict(getattr(record, "about", {}))
        cause = next((about[key] for key in _CAUSES if about.get(key) is not None), None)
        rest = {key.replace("_", " "): value for key, value in about.items() if key not in _FOR_MACHINES}
        told = ", ".join(f"{key} {value}" for key, value in rest.items() if value is not None)
        text = f"{record.getMessage()}: {cause}" if cause is not None else record.getMessage()
        text = f"{text} ({told})" if told else text
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        try:
            self._loop.call_soon_threadsafe(self._activity.add, level, text[:1].upper() + text[1:])
        except RuntimeError:
            return  # the loop is closed: nobody looks any more
