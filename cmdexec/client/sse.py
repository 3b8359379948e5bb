"""Server-sent events, read: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6.

Lines end in LF or CRLF, as our servers send them; a CR alone, which the standard allows as well, ends none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cmdexec.errors import CmdexecError


@dataclass(frozen=True, slots=True)
class Event:
    """`id` is the newest that the stream has named, also when this event has none of its own."""

    name: str
    data: bytes
    id: str


class EventReader:
    """From pieces of a body, cut anywhere, to events."""

    def __init__(self, max_event: int = 16 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._max = max_event
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._id = ""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that `piece` completes. Raises CmdexecError when one is larger than `max_event` bytes."""
        self._buffer += piece
        start = 0
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            event = self._line(bytes(self._buffer[start:end]).removesuffix(b"\r"))
            start = self._searched = end + 1
            if event is not None:
                yield event
        del self._buffer[:start]
        self._searched = len(self._buffer)
        if self._size + len(self._buffer) > self._max:
            raise CmdexecError("protocol_mismatch", "The server sent an event that is larger than any may be.")

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name == b"id" and b"\x00" not in value:
            self._id = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> Event | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._size = "", [], 0
        return Event(name, b"\n".join(data), self._id) if data else None
