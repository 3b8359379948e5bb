"""Jobs that a person's program submits over its socket: as by `POST /api/jobs/create`, by the same operation, and
watched to their ends from then on if it says so."""

import asyncio

import msgspec

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.link.socket import Close, Socket
from cmdexec.log import Log
from cmdexec.protocol.codec import answer, is_list
from cmdexec.protocol.requests import JobView
from cmdexec.protocol.watching import Submit, Submitted, Watch, Watched
from cmdexec.server.api.handler import JSON, Reply
from cmdexec.server.api.jobs import KEY_HEADER
from cmdexec.server.edge.bodies import Bodies, Room
from cmdexec.server.live import Watcher
from cmdexec.server.perform import Asked, Perform, Presented, refusal

_CREATE = "jobs.create"

_AT_ONCE = 64
"""Frames of one socket that are carried out at once; with more under way nothing more is read from it."""

_MANY = "Send several frames, or a list by POST /api/jobs/create."
_LONG = "Send POST /api/jobs/create."
_PAGE = "Send POST /api/jobs/create, with X-Csrf."


class Submissions:
    """Of one socket: `shown` and `source` came with its upgrade. `ordered` is held by whoever changes what is watched,
    until the answer is on its way: so nothing is told before it. `tasks` ends before `watcher` does, so that nothing is
    watched for a socket that is gone. `most`: bytes of a job, so that its answer, which is a little longer, is no
    longer than a message may be."""

    def __init__(
        self, *, perform: Perform, bodies: Bodies, shown: Presented, source: str, watcher: Watcher, socket: Socket,
        tasks: asyncio.TaskGroup, log: Log, most: int,
    ) -> None:  # fmt: skip
        self.ordered = asyncio.Lock()
        self._perform = perform
        self._bodies = bodies
        self._shown = shown
        self._source = source
        self._watcher = watcher
        self._socket = socket
        self._tasks = tasks
        self._log = log
        self._most = most
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def begin(self, number: int, items: tuple[Submit, ...]) -> None:
        """Submit what a frame holds, while what comes next is read. Raises Refused unless that is one job."""
        if len(items) != 1:
            raise Refused("bad_request", "A frame submits one job.", field="items", mend=_MANY)
        await self._free.acquire()
        self._tasks.create_task(self._carry_out(number, items[0]), name="a job submitted over a socket")

    async def _carry_out(self, number: int, item: Submit) -> None:
        try:
            with self._bodies.room() as room:  # until it is answered, since the answer is as long
                await self._answer(number, item, await self._submit(item, room))
        except Exception as fault:
            self._log.error("a job submitted over a socket could not be answered", exc=fault)
            self._socket.close(Close.INTERNAL, "What was submitted could not be answered; the cause is in the log.")
        finally:
            self._free.release()

    async def _submit(self, item: Submit, room: Room) -> Reply:
        body = bytes(item.job)
        try:
            self._check(body)
            room.grow(len(body))
        except CmdexecError as wrong:
            return refusal(wrong)
        headers = {} if item.key is None else {KEY_HEADER: item.key}
        asked = Asked(body=body, content_type=JSON, headers=headers, source=self._source)

        async def read() -> Asked:
            return asked

        return await self._perform.perform(_CREATE, self._shown, read)

    def _check(self, body: bytes) -> None:
        if self._shown.cookies:  # a page proves with each request that it is ours (`edge.browser`); a frame cannot
            raise Refused("forbidden", "Over a socket jobs are submitted with a token, not with a cookie.", mend=_PAGE)
        if is_list(body):
            raise Refused("invalid_field", "`job` must be one job; it is a list.", field="job", mend=_MANY)
        if len(body) > self._most:
            message = f"Over a socket a job may be {self._most:,} bytes long; this one is longer."
            raise Refused("too_large", message, field="job", mend=_LONG)

    async def _answer(self, number: int, item: Submit, reply: Reply) -> None:
        async with self.ordered:
            if isinstance(reply.body, JobView):
                watched = item.until is not None and await self._watch(reply.body.job_id)
                self._socket.put(answer(number, [Submitted(reply.body, watched)]))
            else:
                self._socket.put(answer(number, [_failure(reply)]))
            self._watcher.go()

    async def _watch(self, job_id: str) -> bool:
        """Whether it is watched from now on. It is submitted, however that turns out."""
        try:
            (said,) = await self._watcher.watch([Watch(what="job", job_id=job_id, until="ended")])
        except Unavailable:
            return False
        return isinstance(said, Watched)


def _failure(reply: Reply) -> dict[str, object]:
    """The error in the answer of a request, and when to come again, as an item is told it."""
    error: dict[str, object] = msgspec.json.decode(reply.body)["error"]
    after = reply.headers.get("Retry-After")
    return error if after is None else error | {"retryAfterSec": int(after)}
