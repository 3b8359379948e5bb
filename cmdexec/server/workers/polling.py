"""A worker that polls, as a member like the others, but for when it may be given jobs and what its lists say."""

from collections.abc import Iterable, Sequence

from cmdexec.model.job import Job, Status
from cmdexec.protocol.messages import Held, Register
from cmdexec.server.jobs import Holder
from cmdexec.server.workers.given import Given, Named
from cmdexec.server.workers.mailbox import Mailbox
from cmdexec.server.workers.member import Member


class PollingMember(Member):
    """It is given jobs only while it asks for some, and never more than it has slots.

    Requests may overtake each other, so a list says nothing of what was given to it, granted, or named by it, less than
    `heartbeat_sec` ago; nor, for half a lease, of what it was given already granted and has not named yet.

    An attempt that is unknown takes no slot of it until it is named: the process that had it may have ended.
    """

    transport = "polling"

    def __init__(
        self, holder: Holder, instance_id: str, register: Register, mailbox: Mailbox, now: float, heartbeat_sec: float
    ) -> None:
        super().__init__(holder, instance_id, register, mailbox, now)
        self.mailbox = mailbox
        self.fresh = True
        self._heartbeat_sec = heartbeat_sec
        self._word: dict[str, float] = {}
        self._doubted: set[str] = set()

    @property
    def _busy(self) -> int:
        return super()._busy - len(self._doubted)

    @property
    def free_slots(self) -> int:
        return max(0, self.slots - self._busy)

    @property
    def open_slots(self) -> int:
        return min(self.free_slots, self.mailbox.wanted)

    def room(self, now: float, most: int) -> int:
        return 0 if self.unsent else min(self.open_slots, 1) if self.suspect else self.open_slots

    @property
    def eager(self) -> bool:
        """Never: an answer to its call says what is so."""
        return False

    def next_claim(self) -> str | None:
        poll = self.mailbox.poll
        return None if poll is None or poll.claim is None else self.claim_id(poll.claim)

    def claim_id(self, claim: str) -> str:
        """What the store calls a claim of this worker."""
        return f"{self.worker_id}/{claim}"

    def untold(self) -> list[tuple[str, int]]:
        self.mailbox.no_more()
        return [*super().untold(), *((job.job_id, job.attempt) for job in self.mailbox.take_all())]

    def looked(self, announced: int) -> None:
        super().looked(announced)
        self.mailbox.looked()

    def absent(self, held: Sequence[Held], now: float, patience: float) -> tuple[list[str], list[tuple[str, int]]]:
        self.heard_of(held, now)
        named = {(item.job_id, item.attempt) for item in held}
        again: list[str] = []
        missing: list[tuple[str, int]] = []
        for job_id, given in self.given():
            if (job_id, given.attempt) in named or self.mailbox.has(job_id, given.attempt):
                continue
            if (job_id, given.attempt) in self.unsent:
                continue
            if given.started_at is None and given.batch == 0:
                again.append(job_id)
            elif self._lacks(job_id, given, now, patience):
                missing.append((job_id, given.attempt))
        return again, missing

    def _lacks(self, job_id: str, given: Given, now: float, lease_sec: float) -> bool:
        """Whether a list without it is believed."""
        word = self._word.get(job_id)
        untold = word is None and given.started_at is not None and given.batch > 0
        since = max(given.given_at, given.started_at or given.given_at, word or given.given_at)
        return now - since >= (lease_sec / 2 if untold else self._heartbeat_sec)

    def give(self, jobs: Iterable[Job], now: float) -> None:
        held = tuple(jobs)
        super().give(held, now)
        unknown = [job.job_id for job in held if job.status is Status.UNKNOWN]
        self._word.update((job_id, float("-inf")) for job_id in unknown)
        self._doubted.update(unknown)

    def take(self, job_id: str, attempt: int) -> Given | None:
        given = super().take(job_id, attempt)
        if given is not None:
            self._doubted.discard(job_id)
            self._word.pop(job_id, None)
        return given

    def heard_of(self, named: Iterable[Named], now: float, patience: float = 0.0) -> bool:
        """It said something of these. Returns whether one of them was not spoken of for so long before, or not at all:
        then its lease may be over."""
        doubtful = False
        for item in named:
            given = self.find(item.job_id, item.attempt)
            if given is None:
                doubtful = True
                continue
            doubtful |= now - self._word.get(item.job_id, given.given_at) >= patience
            self._word[item.job_id] = now
            self._doubted.discard(item.job_id)
        return doubtful

    def silent(self, now: float, patience: float) -> list[tuple[str, int]]:
        """Attempts of which it has said nothing for so long, begun or not."""
        has = dict(self.given())
        self._word = {job_id: at for job_id, at in self._word.items() if job_id in has}
        return [
            (job_id, given.attempt)
            for job_id, given in has.items()
            if now - max(self._word.get(job_id, given.started_at or 0.0), given.given_at) >= patience
        ]
