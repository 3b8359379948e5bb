"""Both streams of one attempt: what is kept of them, what is left out, and the digest of what is kept."""

import hashlib
from pathlib import Path

from cmdexec.protocol.messages import INLINE_MAX, Inline, OutputDone, Stream, StreamDone
from cmdexec.worker.spool.mark import MARK_BYTES, Mark
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
    hashed   whether all of them were, so that there is a digest
    written  bytes that the job wrote
    missing  where of what it wrote some is lost, nobody knows how much: told as one byte
    gap      offset as written of the first byte past the head; None while all is kept
    tail     what is kept of that which lies past the head
    """

    __slots__ = ("digest", "gap", "hashed", "known", "missing", "place", "spool", "tail", "written")

    def __init__(self, spool: StreamSpool) -> None:
        self.spool = spool
        self.place = self.written = 0
        self.known = spool.end
        self.hashed = True
        self.missing: list[int] = []
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
    `tail_bytes` for its end. What lies between head and tail is left out and named in `done`. `outlives`: its job may
    go on without this process, so the next one will have to know what is stored of it."""

    __slots__ = (
        "_head_left", "_kept", "_known", "_mark", "_place", "_tail", "dropped", "key", "paused", "stderr", "stdout",
    )  # fmt: skip

    def __init__(self, folder: str, key: str, *, cap_bytes: int, tail_bytes: int, outlives: bool = False) -> None:
        self.key = key
        self._mark = Mark(folder, key) if outlives else None
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
            kept.gap = kept.place + len(kept.missing) + self._head_left
            if self._head_left:
                kept.keep(data[: self._head_left])
                data = data[self._head_left :]
                self._head_left = 0
        if kept.tail is None:
            kept.tail = Tail(f"{self._place}.{name}.tail", self._tail)
        kept.tail.write(data)

    def goes_on(self, name: Stream, offset: int, *, gap: bool) -> None:
        """The next of this stream comes at `offset` of what is stored; `gap`: after some that is lost, nobody knows how
        much."""
        kept = self._kept.get(name)
        if kept is None:
            stream = self.stream(name)
            if stream.end < offset:
                stream.restore(offset, b"")
            kept = self._kept[name] = _Kept(stream)
            kept.place = kept.written = offset
            kept.hashed = not offset
            self._head_left = max(0, self._head_left - offset)
        if gap:
            kept.missing.append(kept.written)
            kept.written += 1

    def close(self) -> OutputDone:
        """No more comes: the tails follow the heads. Length, digest and what is left out, as the server is told."""
        if self._mark is not None:
            self._mark.close()
        if self._known is None:
            self._known = OutputDone(stdout=self._closed("stdout"), stderr=self._closed("stderr"))
        return self._known

    def _closed(self, name: Stream) -> StreamDone:
        kept = self._kept.pop(name, None)
        end = self.stream(name).end
        if kept is None:
            return _UNWRITTEN if not end else StreamDone(bytes=end)
        lost = tuple((start, start + 1) for start in kept.missing)
        if kept.place < kept.known:  # what was spooled did not come again, so nobody has hashed all of it
            return StreamDone(bytes=end, lost=lost)
        if kept.gap is not None:
            tail = kept.tail.take() if kept.tail is not None else b""
            if kept.written - len(tail) > kept.gap:
                lost = (*(one for one in lost if one[0] < kept.gap), (kept.gap, kept.written - len(tail)))
            if tail:
                kept.keep(tail)
        digest = kept.digest.hexdigest() if kept.hashed else None
        return StreamDone(bytes=kept.spool.end, digest=digest, lost=lost)

    # What is stored of it --------------------------------------------------------------------------------------------

    def acked(self, stdout: int, stderr: int) -> None:
        """The server has so much of each stream, which is about to be freed."""
        if self._mark is None or self._known is not None:
            return
        for name, offset in zip(STREAMS, (stdout, stderr), strict=True):
            stream = self.stream(name)
            upto = min(offset, stream.end)
            start = max(stream.acked, upto - MARK_BYTES)
            if upto > start and (data := stream.in_memory(start, upto - start)):
                self._mark.keep(name, start, data)

    def stored(self, name: Stream) -> tuple[int, bytes]:
        """Blocking: how much of a stream the server or the disk has, and the last bytes of that."""
        known = (0, b"") if self._mark is None else self._mark.stored(name)
        disk = self.stream(name).disk
        if disk.end <= known[0]:
            return known
        try:
            last = disk.last(MARK_BYTES)
        except OSError:
            last = b""
        begins = disk.end - len(last)
        if known[0] > begins - len(known[1]) and known[0] >= begins:  # one goes on where the other ends
            last = (known[1] + last[known[0] - begins :])[-MARK_BYTES:]
        return disk.end, last

    def load(self) -> None:
        """Blocking: what an earlier process knew to be stored. Raises OSError."""
        if self._mark is not None:
            self._mark.load()

    def forget(self) -> list[Path]:
        """Nobody has to know any more what is stored. Returns files to delete."""
        if self._mark is None:
            return []
        self._mark.close()
        mark, self._mark = self._mark, None
        return [Path(mark.path)]

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
