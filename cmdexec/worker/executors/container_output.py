"""A container's output: as it is written, or from the log that its engine keeps, each byte once."""

from collections.abc import Callable

from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.contract import Sink, Stream
from cmdexec.worker.executors.engine_calls import EngineCalls
from cmdexec.worker.executors.engine_frames import Frames
from cmdexec.worker.executors.engine_stream import EngineStream, open_stream

_RECORD_BYTES = 128
"""What a record takes in the engine's log beside what was written, at most."""
_FIRST_BYTES = 64
_CANNOT_BECOME = (b"[FATAL tini (", b"ERROR (catatonit")
_BOTH = "stdout=1&stderr=1"


class Output:
    """What of one container was passed on, by stream, and how the next of it is got."""

    def __init__(self, works: Works, engine: EngineCalls, container: str, sink: Sink) -> None:
        self._works, self._engine, self._container, self._sink = works, engine, container, sink
        self._passed: dict[Stream, int] = {"stdout": 0, "stderr": 0}
        self._stream: EngineStream | None = None
        self._paused = False
        self._first = b""

    @property
    def unbecome(self) -> bool:
        """Whether its first process, which the engine brings, says that it could not become the program: it has nobody
        else to say it to than whoever reads what the job writes."""
        return self._first.startswith(_CANNOT_BECOME) and not self._passed["stdout"]

    async def attach(self, *, stdin: bool) -> EngineStream:
        """As it is written from now on: before its start, so from the first byte on. Raises OSError or
        EngineRefusedError."""
        frames = Frames()

        def take(data: bytes) -> None:
            for name, piece in frames.feed(data):
                self._pass_on(name, piece)

        how = f"attach?stream=1&{_BOTH}" + ("&stdin=1" if stdin else "")
        return await self._open("POST", how, take, upgrade=True)

    async def log(self, *, follow: bool) -> EngineStream:
        """All that its engine kept of it, but for what was passed on before, and then as it is written, if that is to
        be followed. Raises OSError or EngineRefusedError."""
        frames = Frames()
        seen: dict[Stream, int] = {"stdout": 0, "stderr": 0}

        def take(data: bytes) -> None:
            for name, piece in frames.feed(data):
                known = self._passed[name] - seen[name]
                seen[name] += len(piece)
                if known < len(piece):
                    self._pass_on(name, piece[max(0, known) :])

        return await self._open("GET", f"logs?{_BOTH}&follow={int(follow)}", take)

    async def log_is_whole(self) -> bool:
        """Whether its engine still has all that was written: it throws the oldest away only when it has kept as much as
        it was told to. Raises OSError or EngineRefusedError."""
        frames, size = Frames(), 0

        def take(data: bytes) -> None:
            nonlocal size
            size += sum(len(piece) for _, piece in frames.feed(data))

        stream = await self._open("GET", f"logs?{_BOTH}", take, pausable=False)
        await stream.over()
        return size + frames.count * _RECORD_BYTES < self._works.settings.container_log_bytes

    async def _open(
        self, method: str, how: str, take: Callable[[bytes], None], *, upgrade: bool = False, pausable: bool = True
    ) -> EngineStream:
        engine = self._engine.engine
        stream = await open_stream(
            engine.place.url, method, f"/v{engine.api}/containers/{self._container}/{how}", take, upgrade=upgrade,
            timeout_sec=self._works.settings.engine_call_sec,
        )  # fmt: skip
        if pausable:
            self.close()
            self._stream = stream
            if self._paused:
                stream.pause(True)
        return stream

    def _pass_on(self, name: Stream, piece: bytes) -> None:
        self._passed[name] += len(piece)
        if name == "stderr" and len(self._first) < _FIRST_BYTES:
            self._first += piece[:_FIRST_BYTES]
        self._sink.output(name, piece)

    def pause(self, paused: bool) -> None:
        """Read no more of it, or read on."""
        self._paused = paused
        if self._stream is not None:
            self._stream.pause(paused)

    def close(self) -> None:
        """Read no more, ever."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
