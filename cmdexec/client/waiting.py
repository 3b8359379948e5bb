"""Waiting for jobs to end: told over one socket, or by looking where none can be had.

Two loops run from the first wait on. One keeps a socket open over which the server tells the end of each watched job.
The other looks, less and less often, at those jobs that are not watched: all of them while there
is no socket, none while it works. So a proxy that lets no socket through, or swallows what one carries, costs latency
and nothing else.
"""

import asyncio
from collections.abc import Sequence
from itertools import count, islice

import msgspec

from cmdexec.client.jobs import JobCalls
from cmdexec.client.submitting import Submissions, Told, Unclaimed
from cmdexec.errors import CmdexecError, Refused
from cmdexec.link.http import hang_up
from cmdexec.link.socket import Close, Limits, Socket
from cmdexec.model.backoff import reconnect_wait
from cmdexec.protocol.codec import Frame, ask, decode_items, list_decoder
from cmdexec.protocol.messages import OutputHeader
from cmdexec.protocol.requests import JobView, NewJob, View
from cmdexec.protocol.watching import ENDS_MAX, Watch
from cmdexec.runtime import Runtime
from cmdexec.settings.client import ClientSettings

ENDS = frozenset({"completed", "failed", "cancelled"})
"""The statuses that no job leaves again, but for one that ended as lost and whose worker came back with its result."""

_MAX_MESSAGE = 16 << 20
_QUEUE_ITEMS = 10_000
_QUEUE_BYTES = 4 << 20
_FLUSH_SEC = 0.003
_FLUSH_ITEMS = 64
_ITEMS_PER_FRAME = 100

_OF_THE_CALLER = frozenset({"unauthorized", "forbidden"})


class _Answered(View, frozen=True):
    """An item of an answer: empty, or how it was refused."""

    code: str | None = None
    error: msgspec.Raw | None = None


_jobs = list_decoder(JobView)
_answers = list_decoder(_Answered)


class Waiting:
    """Used in `async with`; at its end whoever still waits is cancelled."""

    def __init__(self, client: JobCalls) -> None:
        self._client = client
        self._settings: ClientSettings = client.settings
        self._runtime: Runtime = client.runtime
        self._waiters: dict[str, set[asyncio.Future[JobView]]] = {}
        self._unasked: dict[str, None] = {}
        self._asked: set[str] = set()
        self._watched: set[str] = set()
        self._left: list[str] = []
        self._numbers = count(1)
        self._asked_with: dict[int, Sequence[str]] = {}
        self._unclaimed = Unclaimed()
        self._submissions = Submissions(client.settings.submit_answer_sec, self._numbers)
        self._since: dict[str, float] = {}
        self._saying: asyncio.Handle | None = None
        self._socket: Socket | None = None
        self._anybody, self._unwatched = asyncio.Event(), asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Waiting":
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for loop in self._loops:
            loop.cancel()
        for waiters in self._waiters.values():
            for future in waiters:
                future.cancel()
        await self._group.__aexit__(None, None, None)

    async def submit(self, job: NewJob, key: str) -> JobView | None:
        """Submit a job over the socket, if there is one, and watch it. None where a request with that key has to do
        it; raises Unavailable where that has to wait."""
        if self._socket is None:
            return None
        watch = self._unclaimed.room and len(self._asked) < ENDS_MAX
        return await self._submissions.submit(self._socket, job, key, watch=watch)

    async def ended(self, job_id: str) -> JobView:
        """The job when it has ended. Raises CmdexecError when that cannot be learned."""
        if (over := self._unclaimed.claim(job_id)) is not None:
            return over
        future: asyncio.Future[JobView] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job_id, set()).add(future)
        self._wanted(job_id)
        try:
            return await future
        finally:
            waiters = self._waiters.get(job_id, set())
            waiters.discard(future)
            if not waiters:
                self._let_go(job_id)

    def _wanted(self, job_id: str) -> None:
        if not self._loops:
            self._loops = [
                self._group.create_task(self._keep_a_socket()), self._group.create_task(self._look_now_and_then())
            ]  # fmt: skip
        if job_id not in self._asked:
            self._unasked[job_id] = None
            self._watch_more_soon()
        if job_id not in self._watched:
            self._since.setdefault(job_id, self._runtime.clock.elapsed())
            self._unwatched.set()
        self._anybody.set()

    def _let_go(self, job_id: str, *, told: bool = False) -> None:
        """Nobody waits for it any more. `told`: its end was told, so that the server watches it no more either."""
        self._waiters.pop(job_id, None)
        self._unasked.pop(job_id, None)
        self._since.pop(job_id, None)
        self._watched.discard(job_id)
        self._unclaimed.forget(job_id)
        if job_id in self._asked:
            self._asked.discard(job_id)
            if not told:
                self._left.append(job_id)
            if self._left or self._unasked:
                self._watch_more_soon()

    def _settle(self, job: JobView, *, told: bool = False) -> None:
        if job.status in ENDS:
            for future in self._waiters.get(job.job_id, set()):
                if not future.done():
                    future.set_result(job)
            self._let_go(job.job_id, told=told)

    def _fail(self, job_id: str, wrong: CmdexecError) -> None:
        for future in self._waiters.get(job_id, set()):
            if not future.done():
                future.set_exception(wrong)
        self._let_go(job_id)

    # Told over a socket

    async def _keep_a_socket(self) -> None:
        failures = 0
        while True:
            if not self._waiters:
                self._anybody.clear()
                await self._anybody.wait()
            lived = False
            try:
                lived = await self._over_a_socket()
            except CmdexecError as wrong:  # whatever is wrong, looking tells it to whom it concerns
                self._runtime.log.debug("no socket to wait over", why=wrong.message)
            failures = 0 if lived else failures + 1
            await self._pause(failures)

    async def _over_a_socket(self) -> bool:
        """Until the socket ends; whether anything was watched over it."""
        settings = self._settings
        limits = Limits(
            max_message=_MAX_MESSAGE, flush_sec=_FLUSH_SEC, flush_items=_FLUSH_ITEMS, queue_items=_QUEUE_ITEMS,
            queue_bytes=_QUEUE_BYTES, send_timeout_sec=settings.request_timeout_sec,
            ping_sec=settings.follow_silence_sec / 2,
        )  # fmt: skip
        ws = await self._client.open_socket(limits)
        self._socket = Socket(ws, limits, self._runtime)
        told, code = _Told(self), int(Close.ABNORMAL)
        try:
            self._unasked = dict.fromkeys(self._waiters)
            self._watch_more()
            code = (await self._socket.run(told)).code
        finally:
            self._socket = None
            self._submissions.broken(code)
            self._unclaimed.lost()
            self._since = dict.fromkeys(self._waiters, self._runtime.clock.elapsed())
            self._asked.clear()
            self._watched.clear()
            self._left.clear()
            self._asked_with.clear()
            self._unwatched.set()
            await hang_up(ws)
        return told.anything

    def _watch_more_soon(self) -> None:
        """When all have said what they wait for that do so in this turn of the loop."""
        if self._saying is None and self._socket is not None:
            self._saying = asyncio.get_running_loop().call_soon(self._watch_more)

    def _watch_more(self) -> None:
        """Say what is watched no more, and watch as many others as may be."""
        self._saying = None
        if self._socket is None:
            return
        for begin in range(0, len(self._left), _ITEMS_PER_FRAME):
            self._socket.put(ask("unwatch", _items(self._left[begin : begin + _ITEMS_PER_FRAME])))
        self._submissions.unwatch(self._left)
        self._left.clear()
        while self._unasked and len(self._asked) < ENDS_MAX:
            some = list(islice(self._unasked, min(_ITEMS_PER_FRAME, ENDS_MAX - len(self._asked))))
            for job_id in some:
                del self._unasked[job_id]
            self._asked.update(some)
            number = next(self._numbers)
            self._asked_with[number] = some
            self._socket.put(ask("watch", _items(some), number))

    def told(self, frame: Frame) -> bool:
        """Take in what the server says; whether it was about what is watched."""
        if frame.op == "job":
            for job in decode_items(frame.items, _jobs):
                if job.job_id in self._unclaimed and job.status in ENDS:
                    self._unclaimed.over(job)
                self._settle(job, told=True)
            return True
        if (submitted := self._submissions.told(frame)) is not None:
            self._take_in(submitted)
            return True
        some = self._asked_with.pop(frame.re, None) if frame.re is not None else None
        if some is None:
            return False
        answers = decode_items(frame.items, _answers)
        for job_id, answered in zip(some, answers, strict=False):
            if answered.code is None and answered.error is None and job_id in self._asked:
                self._watched.add(job_id)
                self._since.pop(job_id, None)
        return True

    def _take_in(self, submitted: Told) -> None:
        """What was submitted is watched, if it is told so, and nobody had begun to wait for it by its id."""
        job_id = submitted.watched
        if job_id is None or job_id in self._waiters or job_id in self._asked:
            return
        self._asked.add(job_id)
        if submitted.late:  # whoever submitted it has had it done by a request, and waits for it as for others
            self._let_go(job_id)
            return
        self._watched.add(job_id)
        self._unclaimed.add(job_id)

    # Looking

    async def _look_now_and_then(self) -> None:
        looks = 0
        while True:
            if not self._since:
                looks = 0
                self._unwatched.clear()
                await self._unwatched.wait()
            if looks and await self._more_within(looks):
                looks = 0
            if not looks:
                self._unwatched.clear()
                await self._give_the_socket_time()
                await self._pause(0)
            looks += 1
            if job_ids := self._to_look_at():
                await self._look(job_ids)

    async def _give_the_socket_time(self) -> None:
        """What was just asked over it is about to be answered."""
        if self._socket is not None:
            await self._runtime.clock.sleep(self._settings.retry_first_sec)

    async def _more_within(self, looks: int) -> bool:
        """Pause; whether there were more to look at before it was over."""
        async with asyncio.TaskGroup() as group:
            pause, more = group.create_task(self._pause(looks)), group.create_task(self._unwatched.wait())
            await asyncio.wait((pause, more), return_when=asyncio.FIRST_COMPLETED)
            for task in (pause, more):
                task.cancel()
        return self._unwatched.is_set()

    def _to_look_at(self) -> list[str]:
        """Those that are not watched; while there is a socket, without those that were just asked for over it."""
        before = self._runtime.clock.elapsed() - (0.0 if self._socket is None else self._settings.retry_first_sec)
        return [job_id for job_id, since in self._since.items() if since <= before]

    async def _look(self, job_ids: Sequence[str]) -> None:
        """Ask how they stand; where one of them is refused the others are told apart, not where the caller is."""
        try:
            for job in await self._client.statuses(job_ids):
                self._settle(job)
        except Refused as wrong:
            if len(job_ids) == 1 or wrong.code in _OF_THE_CALLER:
                for job_id in job_ids:
                    self._fail(job_id, wrong)
                return
            middle = len(job_ids) // 2
            await self._look(job_ids[:middle])
            await self._look(job_ids[middle:])
        except CmdexecError as wrong:
            for job_id in job_ids:
                self._fail(job_id, wrong)

    async def _pause(self, failures: int) -> None:
        first, longest = self._settings.retry_first_sec, self._settings.retry_max_sec
        await self._runtime.clock.sleep(reconnect_wait(failures, self._runtime.rng.random(), first, longest))


def _items(job_ids: Sequence[str]) -> list[Watch]:
    return [Watch(what="job", job_id=job_id, until="ended") for job_id in job_ids]


class _Told:
    """What a socket of a `Waiting` hears. `anything`: whether it was of use."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self.anything = False

    async def frames(self, frames: tuple[Frame, ...]) -> None:
        for frame in frames:
            self.anything = self._waiting.told(frame) or self.anything

    async def output(self, header: OutputHeader, data: memoryview) -> None:
        """Nothing of ours; a newer server may say more."""
