"""One job in a container, from its image to the proof that nothing of it is left."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cmdexec.worker.executors import container_end
from cmdexec.worker.executors.container_end import EngineAwayError
from cmdexec.worker.executors.container_image import ImageError, Pull, words_about
from cmdexec.worker.executors.container_output import Output
from cmdexec.worker.executors.container_shape import config_of, name_of
from cmdexec.worker.executors.container_stop import KILL, Stop
from cmdexec.worker.executors.container_watch import Watch
from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.contract import End, Known, Order, Sink, Stream
from cmdexec.worker.executors.engine_calls import NOT_FOUND, EngineCalls, Facts
from cmdexec.worker.executors.engine_stream import EngineRefusedError, EngineStream

_NO_ENGINE = "no container engine answers here now"
_STOPPED = "it was stopped before it was started"
_PROCESS_ENDED = "the worker's process ended"
_TOO_LATE = "its lease was over before it was started"


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier process made the container, if anybody did. `wanted`: it is to go on; `same_boot`: the machine runs
    since before that; `known`: what is stored of its output."""

    wanted: bool
    same_boot: bool
    known: Mapping[Stream, Known]


class ContainerJob:
    """One order. `run` returns how it ended, and is called once. `earlier`: it is to be taken up."""

    def __init__(
        self, order: Order, sink: Sink, works: Works, earlier: Earlier | None = None
    ) -> None:  # fmt: skip
        self.order, self.sink = order, sink
        self.name = name_of(order.key)
        self._works, self._settings = works, works.settings
        self._earlier = earlier
        self._stop = Stop(works)
        self._pull: Pull | None = None
        self._output: Output | None = None
        self._remains: EngineCalls | None = None
        self._paused = False
        self._timed_out = self._engine_went = self._output_doubtful = self._begun = False

    # What the executor asks ------------------------------------------------------------------------------------------

    def stop(self, grace_sec: float) -> None:
        """End it; what is not begun will not begin."""
        self._stop.within(grace_sec)
        if self._pull is not None:
            self._pull.break_off()

    @property
    def begun(self) -> bool:
        """Whether its process exists, or did."""
        return self._begun or self._earlier is not None

    def pause(self, paused: bool) -> None:
        """Read no more of its output, or read on."""
        self._paused = paused
        if self._output is not None:
            self._output.pause(paused)

    async def run(self) -> End:
        """From the order to its end."""
        if self._earlier is not None:
            return await self._take_up(self._earlier)
        engine = self._works.engine
        if engine is None:
            return End(start_error=_NO_ENGINE, machine_fault=True, engine_fault=True)
        try:
            return await self._make(engine)
        except ImageError as wrong:
            return End(image_error=str(wrong))
        except EngineRefusedError as refused:  # whatever was made of it is no process
            await self._discard(engine)
            lack = container_end.lacks_room(refused.words)
            words = f"the container engine {'has no room for it' if lack else 'refused it'}: {refused.words}"
            return End(start_error=words, machine_fault=lack, engine_fault=lack)
        except OSError as wrong:
            self._doubt(engine)
            if self._stop.wanted.is_set():
                return End(start_error=_STOPPED, withdrawn=True)
            return self._unmade(wrong)

    async def remove(self) -> tuple[str, ...]:
        """Remove what remains of it; what is left then, as a sentence for each."""
        engine, self._remains = self._remains, None
        left = () if engine is None else await container_end.remove(self._works, engine, self.name)
        if self.order.leased and not left:
            self._works.keeper.let_container_go(self.name)
        return left

    async def abandon(self) -> tuple[str, ...]:
        """Remove it after a fault, whatever it is at; what is left then, as a sentence for each."""
        self._remains = None
        if self._output is not None:
            self._output.close()
        engine = self._works.engine
        if engine is None:
            self._works.doubtful = True
            return (f"container {self.name}",)
        return await container_end.remove(self._works, engine, self.name)

    # Its beginning ---------------------------------------------------------------------------------------------------

    async def _make(self, engine: EngineCalls) -> End:
        if (unborn := self._not_to_be_born()) is not None:
            return unborn
        if self.order.leased and not self._works.keeper.keep_container(self.name, engine.engine.reached):
            return End(start_error="nothing here can hold it to its lease now", machine_fault=True)
        await self._create(engine)
        output = self._open_output(engine)
        stream = await output.attach(stdin=bool(self.order.stdin))
        if (unborn := self._not_to_be_born()) is not None:
            await self._discard(engine)
            return unborn
        try:
            await self._works.call(lambda: engine.start(self.name))
        except OSError as wrong:
            return await self._perhaps_started(engine, output, wrong)
        if self.order.stdin:
            stream.write(self.order.stdin)
        return await self._until_over(engine, output, stream, self.order.timeout_sec)

    def _not_to_be_born(self) -> End | None:
        if self._stop.wanted.is_set():
            return End(start_error=_STOPPED, withdrawn=True)
        if self.order.leased and self._works.clock.elapsed() >= self._works.lease_until:
            return End(start_error=_TOO_LATE, machine_fault=True)
        return None

    async def _create(self, engine: EngineCalls) -> None:
        """Its container, for which the image is fetched where that is wanted."""
        container, works = self.order.container, self._works
        if container is None:
            raise RuntimeError(f"{self.order.key} names no container")
        config = config_of(self.order, container, works.labels, works.settings, works.capacity)
        if container.pull == "always":
            await self._fetch(engine, container.image)
        try:
            await works.call(lambda: engine.create(self.name, config))
        except EngineRefusedError as refused:
            if refused.status != NOT_FOUND:
                raise
            if container.pull != "missing":
                raise ImageError(words_about(container.image, refused.words)) from refused
            await self._fetch(engine, container.image)
            try:
                await works.call(lambda: engine.create(self.name, config))
            except EngineRefusedError as again:
                if again.status == NOT_FOUND:
                    raise ImageError(words_about(container.image, again.words)) from again
                raise

    async def _fetch(self, engine: EngineCalls, image: str) -> None:
        self._pull = Pull(self._works, engine, image, self.sink.told_phase)
        try:
            if self._stop.wanted.is_set():
                raise ConnectionAbortedError(_STOPPED)
            await self._pull.run()
        finally:
            self._pull = None

    async def _perhaps_started(self, engine: EngineCalls, output: Output, wrong: OSError) -> End:
        """The engine did not answer a start: whether it made the process it says when it is back."""
        self._engine_went = True
        try:
            facts = await container_end.facts_of(self._works, engine, self.name)
        except EngineAwayError:
            self._doubt(engine)
            return End(executor_lost=True, lost_why=container_end.ENGINE_GONE, output_lost=True)
        if facts is None or facts.status == "created":
            await self._discard(engine)
            return self._unmade(wrong)
        return await self._until_over(engine, output, None, self.order.timeout_sec)

    def _open_output(self, engine: EngineCalls) -> Output:
        known = None if self._earlier is None else self._earlier.known
        self._output = Output(self._works, engine, self.name, self.sink, known)
        self._output.pause(self._paused)
        return self._output

    async def _discard(self, engine: EngineCalls) -> None:
        """Remove what never ran; what cannot be removed now is by `remove`, or when the engine is looked at next."""
        if self._output is not None:
            self._output.close()
        try:
            await self._works.call(lambda: engine.remove(self.name))
        except (OSError, EngineRefusedError) as wrong:
            self._doubt(engine)
            self._works.log.warning("a container that never ran stays for now", container=self.name, error=str(wrong))

    def _doubt(self, engine: EngineCalls) -> None:
        """The engine may have made it, or make it yet."""
        self._remains = engine
        self._works.doubtful = True

    def _unmade(self, wrong: OSError) -> End:
        words = container_end.words_of(wrong, self._settings)
        return End(start_error=words, machine_fault=True, engine_fault=True)

    # An earlier process's --------------------------------------------------------------------------------------------

    async def _take_up(self, earlier: Earlier) -> End:
        try:
            engine = await container_end.engine_of(self._works)
            facts = await container_end.facts_of(self._works, engine, self.name)
        except EngineAwayError:
            self._works.doubtful = True
            left = (f"container {self.name}",)  # nobody knows whether it still runs
            return End(
                executor_lost=True, lost_why=container_end.ENGINE_GONE, output_lost=True, left=1, survivors=left
            )  # fmt: skip
        if facts is None:
            return End(gone=_PROCESS_ENDED)
        died_with_machine = not earlier.same_boot and not facts.running and facts.exit_code != 0
        if not earlier.wanted or facts.status == "created" or died_with_machine:
            if stays := await container_end.remove(self._works, engine, self.name):
                return End(executor_lost=True, lost_why=_PROCESS_ENDED, output_lost=True, left=1, survivors=stays)
            return End(gone="the machine restarted" if died_with_machine else _PROCESS_ENDED)
        output, left_sec = self._open_output(engine), None
        if self.order.timeout_sec is not None and facts.running:
            ran = container_end.age_sec(facts, self._works.clock.now())
            left_sec = min(max(0.0, self.order.timeout_sec - ran), self.order.timeout_sec)
        return await self._until_over(engine, output, None, left_sec)

    # Its end ---------------------------------------------------------------------------------------------------------

    async def _until_over(
        self, engine: EngineCalls, output: Output, stream: EngineStream | None, timeout_sec: float | None
    ) -> End:
        """It runs, or has."""
        self._begun = True
        self.sink.started(0)
        loop = asyncio.get_running_loop()
        timer = None if timeout_sec is None else loop.call_later(timeout_sec, self._time_is_up)
        try:
            async with asyncio.TaskGroup() as tasks:
                stopping = tasks.create_task(self._stop.run(engine, self.name))
                late = tasks.create_task(self._stop.late.wait())
                watch = Watch(self._works, engine, self.name, output, self._stop)
                watching = tasks.create_task(watch.run(stream))
                await asyncio.wait([late, watching], return_when=asyncio.FIRST_COMPLETED)
                if not watching.done() and not await self._still_runs(engine):
                    await asyncio.wait([watching])  # it waits for what was written to be taken
                for task in (stopping, late, watching):
                    task.cancel()
            facts = watching.result() if not watching.cancelled() else None
            self._engine_went |= watch.went
            self._output_doubtful = self._engine_went or watch.missed or output.doubt
            return await self._ended(engine, facts, seen=not watching.cancelled())
        finally:
            output.close()
            if timer is not None:
                timer.cancel()

    async def _still_runs(self, engine: EngineCalls) -> bool:
        """As far as the engine says, asked once."""
        try:
            facts = await self._works.call(lambda: engine.inspect(self.name))
        except (OSError, EngineRefusedError):
            return True
        return facts is not None and facts.running

    def _time_is_up(self) -> None:
        self._timed_out = not self._stop.wanted.is_set()
        self.stop(self.order.kill_grace_sec)

    async def _ended(self, engine: EngineCalls, facts: Facts | None, *, seen: bool) -> End:
        """How it ended. Its container, which has its exit code and all that it wrote, remains until that is on this
        machine's disk (`remove`)."""
        left: tuple[str, ...] = ()
        if seen and facts is not None:
            self._remains = engine
        else:
            left = await container_end.remove(self._works, engine, self.name)
        proof = End(left=len(left), survivors=left)
        if self._output_doubtful and facts is not None:
            proof = replace(proof, output_lost=True)
        if facts is None:
            return self._end_unseen(proof, seen=seen)
        killed_by_us = bool(self._stop.sent)
        if self._engine_went and not killed_by_us and facts.exit_code in container_end.WITH_ENGINE:
            return replace(proof, executor_lost=True, lost_why=container_end.ENDED_WITH_ENGINE)
        if self._output is not None and self._output.unbecome and facts.exit_code in container_end.UNBECOME:
            return replace(proof, start_error=f"its container has no such program: {self.order.argv[0]}")
        return container_end.told(proof, facts, self._stop.sent, self.order, self._works, timed_out=self._timed_out)

    def _end_unseen(self, proof: End, *, seen: bool) -> End:
        lease_over = self.order.leased and self._works.clock.elapsed() >= self._works.lease_until
        if not seen or lease_over or KILL in self._stop.sent:
            return replace(proof, signal=9, lease_over=lease_over, timed_out=self._timed_out)
        why = container_end.ENGINE_GONE if self._engine_went else container_end.REMOVED
        return replace(proof, executor_lost=True, lost_why=why, output_lost=True)
