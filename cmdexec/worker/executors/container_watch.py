"""Following a container until it does not run and all that it wrote was passed on, over whatever breaks meanwhile."""

from cmdexec.worker.executors import container_end
from cmdexec.worker.executors.container_end import EngineAwayError
from cmdexec.worker.executors.container_output import Output
from cmdexec.worker.executors.container_stop import Stop
from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.engine_calls import EngineCalls, Facts
from cmdexec.worker.executors.engine_stream import EngineRefusedError, EngineStream, open_stream


class Watch:
    """One container's. `went`: its engine was away for a time; `missed`: what it wrote could not be read."""

    def __init__(self, works: Works, engine: EngineCalls, container: str, output: Output, stop: Stop) -> None:
        self.went = self.missed = False
        self._works, self._settings = works, works.settings
        self._engine, self._container, self._output = engine, container, output
        self._stop = stop
        self._unread_since: float | None = None

    async def run(self, attached: EngineStream | None) -> Facts | None:
        """How it is when it is over; None: it is not there any more, or the engine has been away for too long, which
        `went` says. `attached`: its output from the first byte on; None: all of that is in its log."""
        stream, compare, unbroken = attached, attached is None, attached is not None
        while True:
            broke = stream is None
            if stream is not None:
                try:
                    await self._through(stream)
                    compare = await self._wait_for_exit() or compare
                except (OSError, EngineRefusedError):
                    broke = True
            compare, unbroken, stream = compare or broke, unbroken and not broke, None
            try:
                facts = await self._facts()
            except EngineAwayError:
                self.went = True
                return None
            if facts is None:
                return None
            if compare or self._output.little:
                try:
                    stream = await self._from_log(facts)
                except (OSError, EngineRefusedError) as wrong:
                    if not facts.running and self._given_up(wrong):
                        return facts
                    await self._works.pause()
                    continue
            if not facts.running:
                self._output.settle(attached=unbroken)
                return facts

    async def _through(self, stream: EngineStream) -> None:
        """To its end. A connection that is dead says nothing, not even that: when nothing has come for a while, and the
        container is over, it is. Raises OSError or EngineRefusedError."""
        taken = stream.taken
        while not await stream.over_within(self._settings.engine_follow_sec):
            if self._output.paused or stream.taken != taken:
                taken = stream.taken
            elif not await self._runs():
                stream.close()
                raise ConnectionError("the engine says nothing more of a container that is over")

    async def _from_log(self, facts: Facts) -> EngineStream | None:
        """Pass on what its log has beyond what was passed on, and while it runs what comes. Raises OSError or
        EngineRefusedError."""
        await self._through(await self._output.survey())
        if not self._output.placed() and not facts.running:
            return None
        self._unread_since = None
        stream = await self._output.log(follow=facts.running)
        await self._through(stream)
        return stream

    def _given_up(self, wrong: Exception) -> bool:
        """Its log cannot be read, and that for as long as an engine is waited for, or it should be over long since."""
        now = self._works.clock.elapsed()
        self._unread_since = self._unread_since or now
        if now - self._unread_since < self._settings.engine_wait_sec and not self._stop.late.is_set():
            return False
        self._works.log.error("the log of a container cannot be read", container=self._container, error=str(wrong))
        self.missed = True
        return True

    async def _wait_for_exit(self) -> bool:
        """Until its main process is over, which it mostly is when its output is. True: that took a while, so there may
        be more of it. Raises OSError or EngineRefusedError."""
        since = self._works.clock.elapsed()
        engine = self._engine.engine
        waiting = await open_stream(
            engine.place.url, "POST", f"/v{engine.api}/containers/{self._container}/wait", lambda _data: None,
            timeout_sec=self._settings.engine_call_sec,
        )  # fmt: skip
        try:
            while not await waiting.over_within(self._settings.engine_follow_sec):
                if not await self._runs():
                    break
        finally:
            waiting.close()
        return self._works.clock.elapsed() - since > self._settings.engine_again_sec

    async def _runs(self) -> bool:
        facts = await self._works.call(lambda: self._engine.inspect(self._container))
        return facts is not None and facts.running

    async def _facts(self) -> Facts | None:
        """How it is, once its engine says; None: it has none. Raises EngineAwayError."""
        try:
            return await self._works.call(lambda: self._engine.inspect(self._container))
        except (OSError, EngineRefusedError):
            self.went = True
        return await container_end.facts_of(self._works, self._engine, self._container)
