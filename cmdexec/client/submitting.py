"""Jobs submitted over the socket over which their ends are told: one message there and one back, and the server watches
the job without being asked again. What cannot be done so, for whatever reason, is done by a request with the same key,
so that it is done once. A refusal is one such reason: the request is told it in full, and when to come again."""

import asyncio
from itertools import count

import msgspec

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


class _Submitted(View, frozen=True):
    """An answer; without a job it is a refusal."""

    job: JobView | None = None
    watched: bool = False


_answers = list_decoder(_Submitted)


class Unclaimed:
    """Jobs whose ends are told, and which nobody has waited for yet; those that have ended are kept until somebody
    does, the newest of them."""

    def __init__(self, most: int = UNCLAIMED_MAX) -> None:
        self._most = most
        self._open: set[JobId] = set()
        self._ended: dict[JobId, JobView] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._open

    @property
    def room(self) -> bool:
        """Whether one more may be watched: those that have ended give way, the oldest first."""
        return len(self._open) < self._most

    def add(self, job_id: str) -> None:
        """Its end will be told."""
        self._open.add(job_id)

    def over(self, job: JobView) -> None:
        """This one has ended."""
        self._open.discard(job.job_id)
        self._ended[job.job_id] = job
        if len(self._ended) > self._most:
            del self._ended[next(iter(self._ended))]

    def claim(self, job_id: str) -> JobView | None:
        """Somebody waits for it now: its end, if it has ended."""
        self._open.discard(job_id)
        return self._ended.pop(job_id, None)

    def lost(self) -> None:
        """No ends are told any more."""
        self._open.clear()


class Submissions:
    """What is submitted over one socket after the other. `answer_sec`: how long an answer is waited for."""

    def __init__(self, answer_sec: float, numbers: "count[int]") -> None:
        self._answer_sec = answer_sec
        self._numbers = numbers
        self._asked: dict[int, asyncio.Future[JobView | None]] = {}
        self._known_here = True

    async def submit(self, socket: Socket, job: NewJob, key: str, *, watch: bool) -> JobView | None:
        """The job as stored. None where a request, with the same key, has to do it."""
        if not self._known_here or len(self._asked) >= _AT_ONCE:
            return None
        try:
            body = msgspec.json.encode(job)
        except UnicodeEncodeError:
            return None  # the request says which field that is
        if len(body) > _SMALL_BYTES:
            return None
        number = next(self._numbers)
        future: asyncio.Future[JobView | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            socket.put(ask("submit", [Submit(msgspec.Raw(body), key, "ended" if watch else None)], number))
            socket.flush()
            async with asyncio.timeout(self._answer_sec):
                return await future
        except TimeoutError:
            return None
        finally:
            self._asked.pop(number, None)

    def told(self, frame: Frame) -> str | None:
        """Take in an answer to one of them; the job's id if it is watched from now on."""
        future = self._asked.pop(frame.re, None) if frame.re is not None else None
        if future is None or future.done():
            return None
        answers = decode_items(frame.items, _answers)
        answered = answers[0] if answers else _Submitted()
        future.set_result(answered.job)
        return answered.job.job_id if answered.job is not None and answered.watched else None

    def broken(self, code: int) -> None:
        """The socket has ended, with this code, perhaps since its server knows no such frame."""
        if self._asked and code == Close.BAD_FRAME:
            self._known_here = False
        for future in self._asked.values():
            if not future.done():
                future.set_result(None)
