"""Log lines: text for people or JSON for machines, with what the line is about as separate fields.

Fields travel in `extra={"about": {...}}` by way of the methods of `Log`, so that no message is built by formatting ids
into a sentence. A record is one line whatever it holds: control characters are escaped, so nobody can write a line of
their own into the log. Only in text a traceback follows on lines of its own, each of which starts with `  | `.

Writing never stops the process: lines go through a bounded queue to a thread of their own; what does not fit is dropped
and counted, and the count is logged.
"""

import json
import logging
import math
import os
import queue
import select
import threading
from collections.abc import Callable
from typing import Any, TextIO

from cmdexec.clock import Clock, rfc3339

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_MAX_TEXT = 4096
_MAX_WAITING = 10_000
_BARE = frozenset("=\"'")


class Log:
    """A named log. `log.info("job ended", job=id, reason="exit")`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, message: str, /, **about: Any) -> None:
        self._write(logging.DEBUG, message, about)

    def info(self, message: str, /, **about: Any) -> None:
        self._write(logging.INFO, message, about)

    def warning(self, message: str, /, **about: Any) -> None:
        self._write(logging.WARNING, message, about)

    def error(self, message: str, /, *, exc: BaseException | None = None, **about: Any) -> None:
        """`exc` adds the traceback: for faults of our own, never shown to a caller."""
        self._write(logging.ERROR, message, about, exc)

    def _write(self, level: int, message: str, about: dict[str, Any], exc: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", message, extra={"about": about}, exc_info=exc)


class Trouble:
    """What may be wrong at each turn of a loop: told as a warning when it begins, or becomes another, and for debugging
    until it is over."""

    def __init__(self, log: Log, message: str) -> None:
        self._log = log
        self._message = message
        self._code: str | None = None

    def tell(self, code: str, why: str, **about: Any) -> None:
        """It is so now."""
        say = self._log.debug if code == self._code else self._log.warning
        self._code = code
        say(self._message, code=code, why=why, **about)

    def over(self) -> None:
        """It is not so any more."""
        self._code = None


class _Formatter(logging.Formatter):
    def __init__(self, clock: Clock, form: str) -> None:
        super().__init__()
        self._clock = clock
        self._json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        about: dict[str, Any] = getattr(record, "about", {})
        stamp, level, message = rfc3339(self._clock.now()), record.levelname.lower(), record.getMessage()
        trace = self.formatException(record.exc_info) if record.exc_info else None
        if self._json:
            shown: dict[str, Any] = {"time": stamp, "level": level, "log": record.name, "message": _cut(message)}
            if trace:
                shown["traceback"] = trace
            for key, value in about.items():
                shown[f"about_{key}" if key in shown else key] = _plain(value)
            return json.dumps(shown)
        pairs = "".join(f" {key}={_quoted(str(value))}" for key, value in about.items())
        line = f"{stamp} {level:7} {_one_line(message)}{pairs}"
        return line if trace is None else "\n  | ".join([line, *map(_one_line, trace.splitlines())])


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _one_line(text: str) -> str:
    cut = _cut(text)
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def _quoted(text: str) -> str:
    """A field's value, in quotes where it could be taken for more than one field."""
    if text and not any(c.isspace() or c in _BARE for c in text):
        return _one_line(text)
    return '"' + _one_line(text).replace('"', '\\"') + '"'


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it; JSON knows neither NaN nor infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, int | bool) or value is None else _cut(str(value))


class _Writer(logging.Handler):
    """Formats where the record is made, writes in a thread."""

    def __init__(self, write: Callable[[str], object], max_waiting: int) -> None:
        super().__init__()
        self._write = write
        self._waiting: queue.Queue[str | None] = queue.Queue(max_waiting)
        self._dropped = 0
        self._thread = threading.Thread(target=self._drain, name="cmdexec-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._dropped:
                about = {"about": {"lines": self._dropped}}
                lost = logging.makeLogRecord({**vars(record), "msg": "log lines were dropped", "args": None, **about})
                self._waiting.put_nowait(self.format(lost))
                self._dropped = 0
            self._waiting.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:
            self.handleError(record)

    def _drain(self) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                self._write(f"{line}\n")
            except (OSError, ValueError):
                self._dropped += 1  # a closed stream or a full disk: told of when it can be written again

    def close(self) -> None:
        """Write what waits, for at most a second: a reader that has stopped must not hold up the end."""
        try:
            self._waiting.put(None, timeout=1.0)
            self._thread.join(1.0)
        except queue.Full:
            pass
        super().close()


class _Stderr:
    """Past `sys.stderr`: a thread that hangs in there at the end of the process holds a lock that the end needs."""

    def __init__(self) -> None:
        self._torn = False

    def write(self, text: str) -> None:
        """A line. The next one begins on its own line also where a full disk takes a part of this one alone."""
        data = text.encode("utf-8", "backslashreplace")
        if self._torn:
            data = b"\n" + data
        size = len(data)
        try:
            while data:
                select.select([], [2], [])  # the other end may have made the descriptor non-blocking
                data = data[os.write(2, data) :]
        finally:
            if len(data) < size:
                self._torn = bool(data)


def set_up(clock: Clock, level: str, form: str, stream: TextIO | None = None) -> None:
    """Send the process's log to `stream` (standard error when None) from `level` on, as `text` or `json`.

    `logging.shutdown()`, which the interpreter calls at its end, writes what still waits.
    """
    handler = _Writer(_Stderr().write if stream is None else stream.write, _MAX_WAITING)
    handler.setFormatter(_Formatter(clock, form))
    root = logging.getLogger()
    for before in [one for one in root.handlers if isinstance(one, _Writer)]:
        before.close()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    # aiohttp-jwt logs a traceback for each refused token: anyone could flood the log.
    logging.getLogger("aiohttp_jwt.middleware").setLevel(logging.CRITICAL + 1)
    logging.getLogger("asyncio").setLevel(max(_LEVELS[level], logging.WARNING))
