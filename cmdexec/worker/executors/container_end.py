"""What an engine says of a container's end, as the end of an order; and the engine itself, where it comes and goes."""

from collections.abc import Set
from dataclasses import replace
from datetime import UTC, datetime

from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.executors.container_shape import memory_of
from cmdexec.worker.executors.container_stop import KILL, TERM
from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.contract import End, Order
from cmdexec.worker.executors.engine_calls import EngineCalls, Facts
from cmdexec.worker.executors.engine_stream import EngineRefusedError

ENGINE_GONE = "the container engine is gone, and with it what is known of the job"
ENDED_WITH_ENGINE = "the container engine went away, and its end was the job's"
REMOVED = "somebody removed the job's container"
WITH_ENGINE = frozenset({137, 143, 255})
"""Exit codes of containers that an engine ended for its own end, or could not say more of."""
_LACKS = ("no space left on device", "disk quota exceeded", "too many open files")
_SIGNALS = {TERM: 15, KILL: 9}
UNBECOME = frozenset({126, 127})
"""Exit codes of a first process that could not become the program of the order."""
_BY_SIGNAL = 128
"""An exit code above this is that of a process that a signal ended, as shells and first processes tell it."""


def words_of(wrong: OSError, settings: WorkerSettings) -> str:
    """Why an engine did nothing, as a sentence without an end."""
    if isinstance(wrong, TimeoutError):
        return f"the container engine did not answer a call within {settings.engine_call_sec:g} s (ENGINE_CALL_SEC)"
    return f"no container engine answers here now: {wrong.strerror or str(wrong) or 'its connection broke'}"


def lacks_room(words: str) -> bool:
    """Whether an engine refused because its machine is full: that is no fault of the job, and passes."""
    return any(lack in words.lower() for lack in _LACKS)


class EngineAwayError(Exception):
    """It did not come back in time."""


async def engine_of(works: Works) -> EngineCalls:
    """The engine, once there is one. Raises EngineAwayError."""
    until = works.clock.elapsed() + works.settings.engine_wait_sec
    while works.engine is None:
        if works.clock.elapsed() >= until:
            raise EngineAwayError
        await works.pause()
    return works.engine


async def facts_of(works: Works, engine: EngineCalls, name: str) -> Facts | None:
    """How the container is, once its engine says; None: it has none. Raises EngineAwayError."""
    until = works.clock.elapsed() + works.settings.engine_wait_sec
    while True:
        try:
            return await works.call(lambda: engine.inspect(name))
        except (OSError, EngineRefusedError) as wrong:
            if works.clock.elapsed() >= until:
                raise EngineAwayError from wrong
            await works.pause()


async def remove(works: Works, engine: EngineCalls, name: str) -> tuple[str, ...]:
    """Remove it; what is left of it then, as a sentence for each. A removal that the engine cannot do now is tried
    again for as long as killed jobs may take to vanish."""
    until = works.clock.elapsed() + works.settings.kill_deadline_sec
    while True:
        try:
            if await works.call(lambda: engine.remove(name)) or await works.call(lambda: engine.inspect(name)) is None:
                return ()
            wrong: Exception | None = None
        except (OSError, EngineRefusedError) as refused:
            wrong = refused
        if works.clock.elapsed() >= until:
            works.doubtful = True
            works.log.error("a container cannot be removed", container=name, error=str(wrong))
            return (f"container {name}",)
        await works.pause()


def age_sec(facts: Facts, now_ms: int) -> float:
    """For how long it has run, by the wall clocks; 0 where that cannot be told."""
    try:
        began = datetime.fromisoformat(facts.started_at[:19]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
    return max(0.0, now_ms / 1000 - began) if began > 0 else 0.0  # an engine writes the year 1 for never


def told(proof: End, facts: Facts, sent: Set[str], order: Order, works: Works, *, timed_out: bool) -> End:
    """How it ended. An exit code that says that a signal ended it is one only where that signal was ours: a job may
    exit with any. It is out of memory only if it failed: a child of it may have been, and it went on."""
    code = facts.exit_code
    signal = next((number for name, number in _SIGNALS.items() if name in sent and code == _BY_SIGNAL + number), None)
    end = replace(proof, exit_code=code) if signal is None else replace(proof, signal=signal)
    if timed_out:
        return replace(end, timed_out=True)
    if facts.oom and code != 0 and not sent:
        size = memory_of(order, works.settings, works.capacity)
        return replace(end, oom=f"its container used all of its {size >> 20} MB of memory")
    return end
