"""Jobs that a person's program submits over its socket: as by `POST /api/jobs/create`, by the same operation, and
watched to their ends from then on if it says so."""

import asyncio
from functools import partial

import msgspec

from cmdexec.errors import Refused, Unavailable
from cmdexec.link.socket import Close, Socket
from cmdexec.log import Log
from cmdexec.protocol.codec import answer
from cmdexec.protocol.requests import JobView
from cmdexec.protocol.watching import SUBMITS_MAX, Submit, Submitted, Watch, Watched
from cmdexec.server.api.handler import JSON, Reply
from cmdexec.server.api.jobs import KEY_HEADER
from cmdexec.server.edge.bodies import Bodies, Room
from cmdexec.server.live import Watcher
from cmdexec.server.perform import Asked, Perform, Presented, refusal

_CREATE = "jobs.create"

_AT_ONCE = 64
"""Frames of one socket that are carried out at once; with more under way nothing more is read from it."""

_MANY = "Send several frames, or a list by POST /api/jobs/create."

_OF_PAGES = Refused(
    "forbidden", "Over a socket jobs are submitted with a token, not with a browser's cookie.",
    mend="Send POST /api/jobs/create, with X-Csrf.",
)  # fmt: skip
"""A page proves with each request that it is ours (`edge.browser`), and a frame cannot."""


class Submissions:
    """Of one socket: `shown` and `source` came with its upgrade. `ordered` is held by whoever changes what is watched,
    until the answer is on its way: so nothing is told before it. `tasks` ends before `watcher` does, so that nothing is
    watched for a socket that is gone."""

    def __init__(
        self, *, perform: Perform, bodies: Bodies, shown: Presented, source: str, watcher: Watcher, socket: Socket,
        tasks: asyncio.TaskGroup, log: Log,
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
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def begin(self, number: int, items: tuple[Submit, ...]) -> None:
        """Submit these one after the other, while what comes next is read. They are answered together."""
        if len(items) > SUBMITS_MAX:
            raise Refused("too_large", f"A frame submits {SUBMITS_MAX} jobs at most.", field="items", mend=_MANY)
        await self._free.acquire()
        self._tasks.create_task(self._answer(number, items), name="jobs submitted over a socket")

    async def _answer(self, number: int, items: tuple[Submit, ...]) -> None:
        try:
            await self._submit_all(number, items)
        except Exception as fault:
            self._log.error("jobs submitted over a socket could not be answered", exc=fault)
            self._socket.close(Close.INTERNAL, "What was submitted could not be answered; the cause is in the log.")
        finally:
            self._free.release()

    async def _submit_all(self, number: int, items: tuple[Submit, ...]) -> None:
        replies = [await self._submit(item) for item in items]
        async with self.ordered:
            watched = await self._watch(items, replies)
            answers = [
                Submitted(reply.body, reply.body.job_id in watched) if isinstance(reply.body, JobView)
                else _failure(reply) for reply in replies
            ]  # fmt: skip
            self._socket.put(answer(number, answers))
            self._watcher.go()

    async def _submit(self, item: Submit) -> Reply:
        if self._shown.cookies:
            return refusal(_OF_PAGES)
        with self._bodies.room() as room:
            return await self._perform.perform(_CREATE, self._shown, partial(self._read, item, room))

    async def _read(self, item: Submit, room: Room) -> Asked:
        body = bytes(item.job)
        room.grow(len(body))
        headers = {} if item.key is None else {KEY_HEADER: item.key}
        return Asked(body=body, content_type=JSON, headers=headers, source=self._source)

    async def _watch(self, items: tuple[Submit, ...], replies: list[Reply]) -> frozenset[str]:
        """Which of them are watched from now on. They are submitted, however that turns out."""
        pairs = zip(items, replies, strict=True)
        wanted = [
            reply.body.job_id for item, reply in pairs if item.until is not None and isinstance(reply.body, JobView)
        ]
        if not wanted:
            return frozenset()
        try:
            told = await self._watcher.watch([Watch(what="job", job_id=one, until="ended") for one in wanted])
        except Unavailable:
            return frozenset()
        return frozenset(one for one, said in zip(wanted, told, strict=True) if isinstance(said, Watched))


def _failure(reply: Reply) -> dict[str, object]:
    """The error in the answer of a request, and when to come again, as an item is told it."""
    error: dict[str, object] = msgspec.json.decode(reply.body)["error"]
    after = reply.headers.get("Retry-After")
    return error if after is None else error | {"retryAfterSec": int(after)}
