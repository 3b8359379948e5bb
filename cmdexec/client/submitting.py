"""Jobs submitted over the socket over which their ends are told: one message there and one back, and the server watches
the job without being asked again. What cannot be done so, for whatever reason, is done by a request with the same key,
so that it is done once. A refusal is one such reason: the request is told it in full, and when to come again."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

import msgspec

from cmdexec.errors import CODES, Unavailable
from cmdexec.link.socket import Close, Socket
from cmdexec.protocol.codec import Frame, ask, decode_items, list_decoder
from cmdexec.protocol.messages import JobId
from cmdexec.protocol.requests import JobView, NewJob, View
from cmdexec.protocol.watching import Submit

UNCLAIMED_MAX = 1000
"""The most jobs whose ends are told, or kept, for somebody who has not begun to wait for them."""

_AT_ONCE = 64
"""What a server carries out at once of one socket; beyond, requests are faster."""

_SMALL_BYTES = 16 * 1024
"""What is longer would keep ends of other jobs waiting behind it."""

_LATE_MAX = 1000
_UNWATCHED_MAX = 10_000


class _Answer(View, frozen=True):
    """An answer; without a job it is a refusal, and may be sent again where it says when."""

    job: JobView | None = None
    watched: bool = False
    code: str = ""
    message: str = ""
    field: str | None = None
    mend: str | None = None
    retry_after_sec: float | None = None


_answers = list_decoder(_Answer)


class Unclaimed:
    """Jobs whose ends are told, and which nobody waits for; those that have ended for good are kept until somebody
    does, the newest of them."""

    def __init__(self, most: int = UNCLAIMED_MAX) -> None:
        self._most = most
        self._open: set[JobId] = set()
        self._ended: dict[JobId, JobView] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._open

    @property
    def room(self) -> bool:
        """Whether one more may be watched."""
        return len(self._open) < self._most

    def add(self, job_id: str) -> None:
        """Its end will be told."""
        self._open.add(job_id)

    def over(self, job: JobView) -> None:
        """This one has ended. One of which more may come to be known is asked after by whoever waits for it."""
        self._open.discard(job.job_id)
        if job.reason == "lost" or (job.status == "cancelled" and not job.confirmed):
            return
        self._ended[job.job_id] = job
        if len(self._ended) > self._most:
            del self._ended[next(iter(self._ended))]

    def claim(self, job_id: str) -> JobView | None:
        """Somebody waits for it now: its end, if it has ended."""
        self.forget(job_id)
        return self._ended.pop(job_id, None)

    def forget(self, job_id: str) -> None:
        """It is none of these any more."""
        self._open.discard(job_id)

    def lost(self) -> None:
        """No ends are told any more."""
        self._open.clear()


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: `watched` is the job that is watched from now on, if one is; `late`: nobody waits for the answer."""

    watched: str | None
    late: bool


class Submissions:
    """What is submitted over one socket after the other. `answer_sec`: how long an answer is waited for; once that was
    in vain, requests do it until something is answered, or there is another socket."""

    def __init__(self, answer_sec: float, numbers: "count[int]") -> None:
        self._answer_sec = answer_sec
        self._numbers = numbers
        self._asked: dict[int, asyncio.Future[_Answer | None]] = {}
        self._late: dict[int, None] = {}
        self._known_here = True
        self._silent = False
        self._unwatched: set[str] = set()
        """While something is under way: an answer to it was perhaps made before that was heard, and does not hold."""

    @property
    def under_way(self) -> bool:
        """Whether an answer may come."""
        return bool(self._asked or self._late)

    async def submit(self, socket: Socket, job: NewJob, key: str, *, watch: bool) -> JobView | None:
        """The job as stored. None where a request, with the same key, has to do it. Raises Unavailable where that has
        to wait."""
        if self._silent or not self._known_here or len(self._asked) >= _AT_ONCE:
            return None
        try:
            body = msgspec.json.encode(job)
        except UnicodeEncodeError:
            return None  # the request says which field that is
        if len(body) > _SMALL_BYTES:
            return None
        number = next(self._numbers)
        future: asyncio.Future[_Answer | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            socket.put(ask("submit", [Submit(msgspec.Raw(body), key, "ended" if watch else None)], number))
            socket.flush()
            async with asyncio.timeout(self._answer_sec):
                answer = await future
        except TimeoutError:
            self._silent = True
            return None
        finally:
            if self._asked.pop(number, None) is not None and len(self._late) < _LATE_MAX:
                self._late[number] = None
        if answer is not None and answer.retry_after_sec is not None:
            code = answer.code if answer.code in CODES else "overloaded"
            raise Unavailable(
                code, answer.message, retry_after=answer.retry_after_sec, field=answer.field, mend=answer.mend
            )
        return None if answer is None else answer.job

    def unwatch(self, job_ids: Iterable[str]) -> None:
        """These are about to be said to be watched no more."""
        if self.under_way:
            self._unwatched.update(job_ids)
        if len(self._unwatched) > _UNWATCHED_MAX:  # an answer that is so late is passed over
            self._late.clear()
            self._unwatched.clear()

    def told(self, frame: Frame) -> Told | None:
        """Take in an answer to one of them; None if it is none."""
        number = frame.re if frame.re is not None else -1
        if number not in self._asked and number not in self._late:
            return None
        self._silent = False
        late = number in self._late
        self._late.pop(number, None)
        answers = decode_items(frame.items, _answers)
        answered = answers[0] if answers else _Answer()
        future = self._asked.pop(number, None)
        if future is not None and not future.done():
            future.set_result(answered)
        job_id = None if answered.job is None or not answered.watched else answered.job.job_id
        told = Told(None if job_id in self._unwatched else job_id, late)
        if not self.under_way:
            self._unwatched.clear()
        return told

    def broken(self, code: int) -> None:
        """The socket has ended, with this code, perhaps since its server knows no such frame."""
        if self._asked and code == Close.BAD_FRAME:
            self._known_here = False
        asked, self._asked = self._asked, {}
        self._silent = False
        self._late.clear()
        self._unwatched.clear()
        for future in asked.values():
            if not future.done():
                future.set_result(None)
