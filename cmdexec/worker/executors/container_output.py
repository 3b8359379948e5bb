"""A container's output: as it is written, or from the log that its engine keeps, each byte once."""

from collections.abc import Callable, Mapping

from cmdexec.worker.executors.container_place import Search, places
from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.contract import LAST_BYTES, Known, Sink, Stream
from cmdexec.worker.executors.engine_calls import EngineCalls
from cmdexec.worker.executors.engine_frames import Frames
from cmdexec.worker.executors.engine_log import Records
from cmdexec.worker.executors.engine_stream import EngineStream, open_stream

_FIRST_BYTES = 64
_CANNOT_BECOME = (b"[FATAL tini (", b"ERROR (catatonit")
_BOTH = "stdout=1&stderr=1"
_LITTLE_BYTES = 1024 * 1024
STREAMS: tuple[Stream, ...] = ("stdout", "stderr")


class Output:
    """What of one container was passed on, by stream, and how the next of it is got. `earlier`: what an earlier process
    is known to have passed on, which the log may have once more.

    paused  whether no more of it is to be read now
    doubt   some of it may be missing
    """

    def __init__(
        self, works: Works, engine: EngineCalls, container: str, sink: Sink, earlier: Mapping[Stream, Known] | None
    ) -> None:
        self._works, self._engine, self._container, self._sink = works, engine, container, sink
        self._passed: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
        self._last: dict[Stream, bytearray] = {name: bytearray() for name in STREAMS}
        self._earlier = dict(earlier or {})
        self._known_end = {name: known.end for name, known in self._earlier.items()}
        self._records = Records()
        self._searches: dict[Stream, Search] = {}
        self._begins: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
        self._reached: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
        self._logged: set[Stream] = set()
        self._stream: EngineStream | None = None
        self._first = b""
        self.paused = False
        self.doubt = False

    @property
    def unbecome(self) -> bool:
        """Whether its first process, which the engine brings, says that it could not become the program: it has nobody
        else to say it to than whoever reads what the job writes."""
        return self._first.startswith(_CANNOT_BECOME) and not self._passed["stdout"]

    @property
    def little(self) -> bool:
        """Whether it is so little that reading it once more costs next to nothing."""
        return sum(self._passed.values()) <= _LITTLE_BYTES

    # As it is written ------------------------------------------------------------------------------------------------

    async def attach(self, *, stdin: bool) -> EngineStream:
        """As it is written from now on: before its start, so from the first byte on. Raises OSError or
        EngineRefusedError."""
        frames = Frames()

        def take(data: bytes) -> None:
            for name, piece in frames.feed(data):
                self._pass_on(name, piece)

        how = f"attach?stream=1&{_BOTH}" + ("&stdin=1" if stdin else "")
        return await self._open("POST", how, take, lambda: frames.whole, upgrade=True)

    # From its log ----------------------------------------------------------------------------------------------------

    async def survey(self) -> EngineStream:
        """Read what its engine keeps of it, to find out where that begins: at the end of this `placed` says it. Raises
        OSError or EngineRefusedError."""
        records = self._records = Records()
        searches = self._searches = {name: Search(self._known(name)) for name in STREAMS}

        def take(data: bytes) -> None:
            for name, piece in records.feed(data):
                searches[name].feed(piece)

        return await self._open("GET", _log(follow=False), take, lambda: records.whole)

    def _known(self, name: Stream) -> Known:
        if name in self._earlier:
            return self._earlier[name]
        return Known(self._passed[name], bytes(self._last[name][-LAST_BYTES:]))

    def placed(self) -> bool:
        """Whether what its engine keeps has more than was passed on."""
        whole = self._records.kept < self._works.settings.container_log_bytes
        found = places(self._searches, whole=whole)
        for name, place in found.items():
            self.doubt |= not place.sure
            known = self._earlier.pop(name, None)
            if known is not None and not (whole and place.sure):
                self._passed[name], self._last[name] = known.end, bytearray(known.last)
                self._sink.goes_on(name, known.end, gap=place.gap)
            elif place.gap:
                self._sink.goes_on(name, self._passed[name], gap=True)
            self._begins[name] = self._passed[name] if place.gap else place.begins
            self._reached[name] = self._begins[name] + self._searches[name].total
        return any(self._reached[name] > self._passed[name] for name in STREAMS)

    async def log(self, *, follow: bool) -> EngineStream:
        """What its engine keeps of it and was not passed on, after `placed`, and then as it is written, if that is to
        be followed. Raises OSError or EngineRefusedError."""
        began, records = self._records.first, Records()
        self._records, reached = records, dict(self._begins)
        self._reached = reached

        def take(data: bytes) -> None:
            for name, piece in records.feed(data):
                if began is not None and records.first != began:
                    raise ConnectionError("the engine has thrown away more of the log since it was looked at")
                known = self._passed[name] - reached[name]
                reached[name] += len(piece)
                if known < len(piece):
                    self._logged.add(name)
                    self._pass_on(name, piece[max(0, known) :])

        return await self._open("GET", _log(follow=follow), take, lambda: records.whole)

    def settle(self, *, attached: bool) -> None:
        """It is over, and its log was read to the end. `attached`: all of it came as it was written, as far as its
        engine said."""
        for name in STREAMS:
            reached = self._reached[name]
            if not self._records.owed(name) or reached != self._passed[name]:
                continue
            if (name in self._logged or not attached) and reached >= self._known_end.get(name, 0):
                self.doubt = True

    # Both ------------------------------------------------------------------------------------------------------------

    async def _open(
        self, method: str, how: str, take: Callable[[bytes], None], whole: Callable[[], bool], *, upgrade: bool = False
    ) -> EngineStream:
        engine = self._engine.engine
        self.close()
        stream = await open_stream(
            engine.place.url, method, f"/v{engine.api}/containers/{self._container}/{how}", take, upgrade=upgrade,
            whole=whole, timeout_sec=self._works.settings.engine_call_sec,
        )  # fmt: skip
        self._stream = stream
        if self.paused:
            stream.pause(True)
        return stream

    def _pass_on(self, name: Stream, piece: bytes) -> None:
        self._passed[name] += len(piece)
        last = self._last[name]
        last += piece[-LAST_BYTES:]
        if len(last) > 2 * LAST_BYTES:
            del last[:-LAST_BYTES]
        if name == "stderr" and len(self._first) < _FIRST_BYTES:
            self._first += piece[:_FIRST_BYTES]
        self._sink.output(name, piece)

    def pause(self, paused: bool) -> None:
        """Read no more of it, or read on."""
        self.paused = paused
        if self._stream is not None:
            self._stream.pause(paused)

    def close(self) -> None:
        """Read no more, ever."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _log(*, follow: bool) -> str:
    """The times come with it, since without them an engine sends no record of nothing."""
    return f"logs?{_BOTH}&timestamps=1&follow={int(follow)}"
