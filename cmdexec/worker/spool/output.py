"""Both streams of one attempt: what is kept of them, what is left out, and the digest of what is kept."""

import hashlib

from cmdexec.protocol.messages import INLINE_MAX, Inline, OutputDone, Stream, StreamDone
from cmdexec.worker.spool.segments import Segments
from cmdexec.worker.spool.stream import StreamSpool
from cmdexec.worker.spool.tail import Tail

STREAMS: tuple[Stream, ...] = ("stdout", "stderr")
_EMPTY = hashlib.sha256().hexdigest()
_NOTHING = Inline()
_UNWRITTEN = StreamDone(bytes=0, digest=_EMPTY)


class _Kept:
    """One stream before it is spooled: counted and hashed; past the head only its end is kept. What an earlier process
    spooled of it comes again, is hashed again, and is not kept twice.

    place    bytes kept so far, those among them
    known    how many an earlier process left
    written  bytes that the job wrote
    gap      offset as written of the first byte past the head; None while all is kept
    tail     what is kept of that which lies past the head
    """

    __slots__ = ("digest", "gap", "known", "place", "spool", "tail", "written")

    def __init__(self, spool: StreamSpool) -> None:
        self.spool = spool
        self.place = self.written = 0
        self.known = spool.end
        self.gap: int | None = None
        self.tail: Tail | None = None
        self.digest = hashlib.sha256()

    def keep(self, data: bytes) -> None:
        self.digest.update(data)
        again = self.known - self.place
        self.place += len(data)
        if again <= 0:
            self.spool.append(data)
        elif again < len(data):
            self.spool.append(data[again:])


class AttemptOutput:
    """The output of an attempt, under its cap: `cap_bytes` of both streams together, of which each stream has half of
    `tail_bytes` for its end. What lies between head and tail is left out and named in `done`."""

    __slots__ = (
        "_head_left", "_kept", "_known", "_place", "_tail", "dropped", "key", "paused", "stderr", "stdout",
    )  # fmt: skip

    def __init__(self, folder: str, key: str, *, cap_bytes: int, tail_bytes: int) -> None:
        self.key = key
        self.stdout = StreamSpool(Segments(folder, key, "stdout"))
        self.stderr = StreamSpool(Segments(folder, key, "stderr"))
        self.dropped = False
        self.paused = False
        self._place = f"{folder}/{key}"
        self._tail = min(tail_bytes, cap_bytes) // 2
        self._head_left = cap_bytes - 2 * self._tail
        self._kept: dict[Stream, _Kept] = {}
        self._known: OutputDone | None = None

    def stream(self, name: Stream) -> StreamSpool:
        return self.stdout if name == "stdout" else self.stderr

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return self.stdout.held + self.stderr.held

    @property
    def on_disk(self) -> int:
        """Bytes on disk."""
        return self.stdout.disk.size + self.stderr.disk.size

    @property
    def unsent(self) -> int:
        """Bytes that are not on their way to the server."""
        return self.stdout.unsent + self.stderr.unsent

    def write(self, name: Stream, data: bytes) -> None:
        """What the job wrote next."""
        kept = self._kept.get(name)
        if kept is None:
            kept = self._kept[name] = _Kept(self.stream(name))
        kept.written += len(data)
        if kept.gap is None:
            if len(data) <= self._head_left:
                self._head_left -= len(data)
                kept.keep(data)
                return
            kept.gap = kept.place + self._head_left
            if self._head_left:
                kept.keep(data[: self._head_left])
                data = data[self._head_left :]
                self._head_left = 0
        if kept.tail is None:
            kept.tail = Tail(f"{self._place}.{name}.tail", self._tail)
        kept.tail.write(data)

    def close(self) -> OutputDone:
        """No more comes: the tails follow the heads. Length, digest and what is left out, as the server is told."""
        if self._known is None:
            self._known = OutputDone(stdout=self._closed("stdout"), stderr=self._closed("stderr"))
        return self._known

    def _closed(self, name: Stream) -> StreamDone:
        kept = self._kept.pop(name, None)
        end = self.stream(name).end
        if kept is None:
            return _UNWRITTEN if not end else StreamDone(bytes=end)
        if kept.place < kept.known:  # what was spooled did not come again, so nobody has hashed all of it
            return StreamDone(bytes=end)
        lost: tuple[tuple[int, int], ...] = ()
        if kept.gap is not None:
            tail = kept.tail.take() if kept.tail is not None else b""
            if kept.written - len(tail) > kept.gap:
                lost = ((kept.gap, kept.written - len(tail)),)
            if tail:
                kept.keep(tail)
        return StreamDone(bytes=kept.spool.end, digest=kept.digest.hexdigest(), lost=lost)

    def unmeasured(self) -> None:
        """More was written than came here, and nobody knows how much: no length and no digest is told."""
        self._known = OutputDone()

    def give_up(self) -> None:
        """Nothing of it is wanted any more."""
        for kept in self._kept.values():
            if kept.tail is not None:
                kept.tail.close()

    def restore(self, done: OutputDone, inline: Inline) -> None:
        """Take up the ended output of an earlier process, after its files were adopted."""
        self._known = done
        self.stdout.restore(done.stdout.bytes or 0, inline.stdout)
        self.stderr.restore(done.stderr.bytes or 0, inline.stderr)

    def restore_unended(self) -> None:
        """Take up what reached the disk of the output of an attempt that an earlier process did not see end."""
        for stream in (self.stdout, self.stderr):
            stream.restore(stream.disk.end, b"")

    def fits_inline(self) -> bool:
        """Whether all that is on no disk but this process's memory may ride in the result."""
        return _loose(self.stdout) <= INLINE_MAX and _loose(self.stderr) <= INLINE_MAX

    def loose(self) -> Inline:
        """What neither the server nor the disk has, to be journaled with the result."""
        stdout, stderr = (_end_of(stream, _loose(stream)) for stream in (self.stdout, self.stderr))
        return Inline(stdout=stdout, stderr=stderr) if stdout or stderr else _NOTHING

    def unsent_inline(self) -> Inline | None:
        """What is not on its way yet, as it rides in the result; None when it is too much, or not in memory."""
        out, err = self.stdout.unsent, self.stderr.unsent
        if not out and not err:
            return _NOTHING
        if out > INLINE_MAX or err > INLINE_MAX:
            return None
        stdout, stderr = _end_of(self.stdout, out), _end_of(self.stderr, err)
        return Inline(stdout=stdout, stderr=stderr) if len(stdout) == out and len(stderr) == err else None


def _loose(stream: StreamSpool) -> int:
    return stream.end - max(stream.acked, stream.disk.end)


def _end_of(stream: StreamSpool, size: int) -> bytes:
    if not size:
        return b""
    return stream.in_memory(stream.end - size, size) or b""
