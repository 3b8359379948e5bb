"""Who submits jobs, follows their output and cancels some, while something is done to the system."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cmdexec
from cmdexec.admin.doctor.recorded.lines import digest
from cmdexec.admin.doctor.recorded.record import Followed
from cmdexec.client.follow import Ended, NewAttempt, Piece
from cmdexec.errors import Unavailable
from tests.support.api import ApiError
from tests.support.cases.world import World
from tests.support.payload import slow_job
from tests.support.recorder import SILENCE
from tests.support.waiting import until

_WITHIN_SEC = 40.0
_FOLLOWING = {"retry_first_sec": "20ms", "retry_max_sec": "300ms", "tell_after_sec": "60s"}


LOST_OFTEN: dict[str, Any] = {"maxLost": 10, "backoff": {"firstSec": 0.1, "maxSec": 0.2}}
"""Of jobs whose worker may be lost: they are run again soon, however often."""


@dataclass(frozen=True)
class Planned:
    """One submission: when it is made, in seconds after the one before, and what becomes of it.

    patient  it is repeated until it is answered; otherwise nobody knows what became of one that was not
    cancel   so many seconds after the answer each of its jobs is cancelled
    follow   somebody watches the output of its first job
    """

    after: float
    jobs: tuple[dict[str, Any], ...]
    patient: bool
    cancel: float | None
    follow: bool


def planned(
    world: World, submissions: int, *, over: float, on_lost: tuple[str, ...] = ("hold",), cancels: float = 0.2,
    follows: float = 0.2, longest: int = 40, patient: float = 0.7, locked: bool = True,
    more: dict[str, Any] | None = None,
) -> list[Planned]:  # fmt: skip
    """So many submissions within `over` seconds, drawn from the case's seed; `cancels`, `follows` and `patient` are
    shares of them. Jobs with `requeue` hold a lock, by which two at a time show, if `locked`; `more`: of each job."""
    rng = world.rng
    plan = []
    for number in range(submissions):
        jobs = []
        for place in range(rng.choice((1, 1, 2))):
            policy = rng.choice(on_lost)
            lock = world.folder / f"lock-{number}-{place}" if policy == "requeue" and locked else None
            job = slow_job(
                world.ledger, rng.randint(1, longest), rng.choice((0.02, 0.05, 0.1)), exit_code=rng.choice((0, 7)),
                lock=lock,
            )  # fmt: skip
            jobs.append(job | LOST_OFTEN | {"onLost": policy} | (more or {}))
        cancel = rng.uniform(0, 1.0) if rng.random() < cancels else None
        is_patient, is_followed = rng.random() < patient, rng.random() < follows
        after = rng.uniform(0, 2 * over / submissions)
        plan.append(Planned(after, tuple(jobs), is_patient, cancel, is_followed))
    return plan


class Load:
    """Runs a plan beside what the case does; at the end of its block all of it was submitted, and what failed that
    must not is raised. `url`: by way of a proxy, or at another server; `elsewhere`: where it is followed and cancelled,
    if not there; `follows`: followers by way of this one, with these settings."""

    def __init__(
        self, world: World, plan: list[Planned], url: str | None = None, elsewhere: str | None = None,
        follows: str | None = None, **settings: str,
    ) -> None:  # fmt: skip
        self._world = world
        self._plan = plan
        self._url = url
        self._elsewhere = elsewhere or url
        self._follows = follows or self._elsewhere or world.server.url
        self._settings = _FOLLOWING | settings
        self._key = f"once-{next(world.numbers)}"
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._stop = threading.Event()

    def __enter__(self) -> "Load":
        self._begin(self._submit)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop.set()
        for thread in self._threads:  # those that begin meanwhile come behind
            thread.join(2 * _WITHIN_SEC)
        if kind is None:
            assert not self._failures, self._failures
            assert not any(thread.is_alive() for thread in self._threads), "somebody waits for ever"

    def _begin(self, work: Callable[..., None], *given: Any) -> None:
        def guarded() -> None:
            try:
                work(*given)
            except BaseException as failure:
                self._failures.append(failure)

        thread = threading.Thread(target=guarded, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _submit(self) -> None:
        api = self._world.api("submitter", self._url)
        for number, one in enumerate(self._plan):
            if self._stop.wait(one.after):
                return
            jobs = list(one.jobs)
            if one.patient:
                ids = api.create_surely(jobs, _WITHIN_SEC)
            else:
                try:
                    ids = api.create_many(jobs, f"{self._key}-{number}")
                except SILENCE:
                    continue
                except ApiError as refused:
                    if refused.status not in (429, 503):
                        raise
                    continue
            if one.follow:
                self._begin(self._follow, ids[0])
            if one.cancel is not None:
                self._begin(self._cancel, ids, one.cancel)

    def _cancel(self, ids: list[str], after: float) -> None:
        self._stop.wait(after)
        cancel_surely(self._world, ids, self._elsewhere)

    def _follow(self, job_id: str) -> None:
        """By the product's own client, through breaks and restarts. It is patient with a server that it has met, so one
        that has shown nothing yet begins anew."""
        until(lambda: self._followed(job_id), f"{job_id} is followed", _WITHIN_SEC)

    def _followed(self, job_id: str) -> bool:
        shown: dict[str, bytes] = {}
        attempt = 0
        try:
            with cmdexec.connect(self._follows, self._world.token, **self._settings) as connection:
                for event in connection.each(connection.client.follow(job_id)):
                    if isinstance(event, Piece):
                        assert event.offset == len(shown[event.stream]), f"{job_id}: a gap in what is shown"
                        shown[event.stream] += event.data
                    elif isinstance(event, NewAttempt):
                        attempt, shown = event.attempt, {"stdout": b"", "stderr": b""}
                    elif isinstance(event, Ended):
                        break
        except Unavailable:
            if shown:
                raise
            return False
        for name, data in shown.items():
            self._world.recorder.write(Followed(job_id, attempt, name, len(data), digest(data)))
        return True


def cancel_surely(world: World, ids: list[str], url: str | None = None) -> None:
    """Each, until it is answered."""
    api = world.api("canceller", url)

    def answered(job_id: str) -> bool:
        try:
            api.cancel(job_id)
        except SILENCE:
            return False
        except ApiError as refused:
            if refused.status in (429, 503):
                return False
            raise
        return True

    for job_id in ids:
        until(lambda job_id=job_id: answered(job_id), f"an answer to the cancel of {job_id}", _WITHIN_SEC, step=0.05)


def occupied(world: World, length: float, *, locked: bool = True) -> list[str]:
    """The only worker so far has three jobs that go on for longer than `length` seconds: one holds, and two are run
    elsewhere, soon to end, when they count as lost. Their ids."""
    api = world.api("first")
    lines = int((length + 2.0) / 0.1)
    jobs = []
    for place, policy in enumerate(("hold", "requeue", "requeue")):
        lock = world.folder / f"lock-first-{place}" if policy == "requeue" and locked else None
        jobs.append(slow_job(world.ledger, lines, 0.1, lock=lock, again=5) | LOST_OFTEN | {"onLost": policy})
    ids = api.create_surely(jobs)
    until(lambda: world.ledger.unended() >= set(ids), "they run", within=30)
    return ids


def taken_for_lost(world: World, ids: list[str]) -> None:
    """The fault goes on until it has hurt those that `occupied` gave: one is unknown, the others were given up."""
    api = world.api("looker")

    def hurt() -> bool:
        holds, *others = api.jobs(ids)
        return holds["status"] == "unknown" and all(job["lostUsed"] for job in others)

    until(hurt, "the worker's lease is over", within=30)
