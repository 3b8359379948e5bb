"""The jobs of this worker, as whoever sits at its machine sees them."""

import msgspec

from cmdexec.clock import Clock
from cmdexec.model.attempt import Ending
from cmdexec.model.sentences import duration, signal_name
from cmdexec.worker.executors.contract import End, Stream
from cmdexec.worker.held import HeldAttempt
from cmdexec.worker.page.activity import Activity
from cmdexec.worker.page.tails import Tails

_NAME_CHARS = 120
_ENDINGS = {
    Ending.OWNER: "ended by you", Ending.CANCEL: "cancelled", Ending.STOP: "stopped by the server",
    Ending.HAND_BACK: "handed back", Ending.DEADLINE: "ended, since the server may have given it away",
}  # fmt: skip


class JobView(msgspec.Struct, rename="camel"):
    """One that runs. `started_at`: ms since 1970; `ending`: why it is being ended, None: it is not."""

    key: str
    job_id: str
    attempt: int
    name: str
    command: str
    started_at: int
    ending: str | None = None


class Jobs:
    """Those that run, and the end of what they wrote. It is the attempts' `Watcher`. `done`: how many have ended."""

    def __init__(self, activity: Activity, tails: Tails, clock: Clock) -> None:
        self.done = 0
        self.tails = tails
        self._activity, self._clock = activity, clock
        self._running: dict[str, tuple[HeldAttempt, JobView]] = {}

    def running(self) -> list[JobView]:
        """Those that run, the longest first."""
        for held, view in self._running.values():
            ending = held.record.ending
            view.ending = _ENDINGS[ending] if ending is not None else None
        return [view for _, view in self._running.values()]

    def forget(self) -> None:
        """There is no worker now, so nothing runs."""
        self._running.clear()

    # What the attempts tell ------------------------------------------------------------------------------------------

    def began(self, held: HeldAttempt) -> None:
        record, now = held.record, self._clock.now()
        name, command = _named(held)
        self._running[held.key] = held, JobView(held.key, record.job_id, record.attempt, name, command, now)
        self.tails.begin(held.key)

    def wrote(self, held: HeldAttempt, stream: Stream, data: bytes) -> None:
        self.tails.write(held.key, stream, data)

    def ended(self, held: HeldAttempt, end: End) -> None:
        _, view = self._running.pop(held.key, (held, None))
        self.tails.end(held.key)
        self.done += 1
        name = view.name if view is not None else _named(held)[0]
        took = "" if view is None else f" after {duration(round((self._clock.now() - view.started_at) / 1000, 1))}"
        ending = held.record.ending
        if end.exit_code == 0 and not end.timed_out and end.oom is None:
            self._activity.add("completed", f"Completed {name}{took}", held.key)
        elif ending is not None:
            self._activity.add("cancelled", f"{name}: {_ENDINGS[ending]}{took}", held.key)
        else:
            self._activity.add("failed", f"Failed {name}: {_why(end)}{took}", held.key)

    def declined(self, held: HeldAttempt, why: str) -> None:
        self._activity.add("declined", f"Refused {_named(held)[0]}: {why}", None)


def _named(held: HeldAttempt) -> tuple[str, str]:
    """What people call it, and its command in one line."""
    assignment = held.assignment
    if assignment is None:
        return held.record.job_id, ""
    command = assignment.command if isinstance(assignment.command, str) else " ".join(assignment.command)
    line = " ".join(command.split())[: 4 * _NAME_CHARS]
    return (assignment.name or line)[:_NAME_CHARS] or held.record.job_id, line


def _why(end: End) -> str:
    if end.start_error is not None:
        return end.start_error
    if end.oom is not None:
        return end.oom
    if end.timed_out:
        return "stopped after its limit"
    if end.executor_lost:
        return "the process that runs this worker's jobs died"
    if end.signal is not None:
        return f"ended by {signal_name(end.signal)}"
    return f"exit code {end.exit_code}"
