"""Who runs, who may, who asks to, and who waits.

waiting ─ asked ─ granted ─ running
"""

from cmdexec.model.pace import Pace, start_ahead
from cmdexec.worker.held import HeldAttempt
from cmdexec.worker.parts import Parts


class Slots:
    """The worker's slots. An attempt is in at most one of the four places; order is that of arrival.

    waiting   journaled
    asked     its start was asked, the answer has not come
    granted   may start, but started ahead: no slot is free yet
    running   has a slot: its process exists, or is about to
    parts     what of the machine each takes
    closed    no more is asked: the worker drains
    paused_until  no more is asked before: this machine had no room for another process
    round_trip_sec  from asking a start to its answer, recently
    patience_sec    what was started ahead is given back when no slot came free for so long
    """

    def __init__(self, size: int, parts: Parts, *, ahead_max: int, patience_sec: float) -> None:
        self.size = size
        self.parts = parts
        self.waiting: dict[str, HeldAttempt] = {}
        self.asked: dict[str, HeldAttempt] = {}
        self.granted: dict[str, HeldAttempt] = {}
        self.running: dict[str, HeldAttempt] = {}
        self.pace = Pace()
        self.closed = False
        self.paused_until = 0.0
        self.round_trip_sec = 0.0
        self.patience_sec = patience_sec
        self._ahead_max = ahead_max
        self._moved_at = 0.0
        self._trying = False
        self._tried: HeldAttempt | None = None

    def wait(self, held: HeldAttempt) -> None:
        """It is journaled."""
        self.waiting[held.key] = held
        self.parts.wait(held)

    def to_ask(self, now: float, most_begun: int | None = None) -> list[HeldAttempt]:
        """The attempts whose start is to be asked now: one for each free slot, and some ahead while jobs are brief; no
        more than may be begun, if that is bounded."""
        if self.closed or not self.waiting or now < self.paused_until:
            return []
        if self._trying:
            return self._try_one(now)
        most = self.size
        if not self._stalled(now):
            most += start_ahead(self.size, self.pace, now, self.round_trip_sec, self._ahead_max)
        count = most - len(self.asked) - len(self.granted) - len(self.running)
        if most_begun is not None:
            count = min(count, most_begun - len(self.asked) - len(self.granted))
        if count <= 0:
            return []
        keys = self.parts.choose(self.waiting, count, now)
        chosen = [self.waiting.pop(key) for key in keys]
        self.asked.update((held.key, held) for held in chosen)
        return chosen

    def _try_one(self, now: float) -> list[HeldAttempt]:
        """After a pause one attempt finds out whether there is room again."""
        if self._tried is not None or self.asked:
            return []
        for key in self.parts.choose(self.waiting, 1, now):
            self._tried = self.asked[key] = self.waiting.pop(key)
            return [self._tried]
        return []

    def pause(self, until: float) -> None:
        """No process could be made: nothing more is asked until then, and then one alone."""
        self.paused_until = until
        self._trying, self._tried = True, None

    def began(self) -> bool:
        """A process was made: there is room. Whether that was in doubt, so that more is to be asked now."""
        trying, self._trying, self._tried = self._trying, False, None
        return trying

    def grant(self, held: HeldAttempt) -> bool:
        """Its start was granted. False when it had not asked, or was granted before."""
        if self.asked.pop(held.key, None) is None:
            return False
        self.granted[held.key] = held
        return True

    def to_run(self, most: int | None = None) -> list[HeldAttempt]:
        """The granted attempts for which there is a slot, at most so many; they have it from now on."""
        count = min(len(self.granted), self.size - len(self.running))
        if most is not None:
            count = min(count, most)
        if count <= 0:
            return []
        chosen = [self.granted.pop(key) for key in list(self.granted)[:count]]
        self.running.update((held.key, held) for held in chosen)
        return chosen

    def take_up(self, held: HeldAttempt) -> None:
        """It runs since before this process did."""
        self.running[held.key] = held
        self.parts.take_up(held)

    def ended(self, held: HeldAttempt, now: float) -> None:
        """Its process is gone: the slot is free, and the pace is known better."""
        self.parts.leave(held.key)
        if self.running.pop(held.key, None) is not None:
            self._moved_at = now
            self.pace.ended(now, now - held.started_at)

    def kept_waiting(self, now: float) -> list[HeldAttempt]:
        """What was started ahead and cannot be run as soon as was thought, since the slots do not come free."""
        return list(self.granted.values()) if self._stalled(now) else []

    def _stalled(self, now: float) -> bool:
        """All slots are taken by jobs that have had them for longer than brief jobs do."""
        if len(self.running) < self.size:
            return False
        newest = max(held.started_at for held in self.running.values())
        return now - max(self._moved_at, newest) >= self.patience_sec

    def leave(self, held: HeldAttempt) -> None:
        """It will not run, or not any more."""
        if self._tried is held:
            self._tried = None
        self.parts.leave(held.key)
        for place in (self.waiting, self.asked, self.granted, self.running):
            place.pop(held.key, None)

    def answered(self, seconds: float) -> None:
        """A start was answered after so long."""
        self.round_trip_sec += (seconds - self.round_trip_sec) / 4 if self.round_trip_sec else seconds
