"""What workers say over HTTP; over a socket the same operations come in turns (`server.workers.link`)."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from cmdexec.errors import Refused
from cmdexec.model.job import Job
from cmdexec.protocol.messages import AskJobs, Assignment, Beat, Chunks, Done, Heartbeat, Register
from cmdexec.protocol.polling import (
    AttemptQuery,
    BeatView,
    CheckView,
    GivenJob,
    GivenJobs,
    Named,
    OffsetsView,
    TakenView,
)
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.api.told import not_stored, not_taken
from cmdexec.server.workers import Presence

INSTANCE_HEADER = "x-worker-instance"
"""The `instanceId` of the process that asks, for those that want to be told when another one has taken its place."""

CONNECTION_HEADER = "x-worker-connection"
"""Which of its connections this is, as its `register` over this one says: so that a late call takes nothing away."""

_DIGITS_MAX = 15

_NOTHING = Reply(status=204)


class AttemptsApi:
    """`workers.register`, `workers.heartbeat` and `attempts.*`. `view`: a job as it is answered."""

    def __init__(self, presence: Presence, *, view: Callable[[Job], Awaitable[object]]) -> None:
        self._desk = presence.desk
        self._said = presence.said
        self._polls = presence.polls
        self._view = view

    def handlers(self) -> Handlers:
        return {
            "workers.register": self.register,
            "workers.heartbeat": self.heartbeat,
            "attempts.start": self.start,
            "attempts.release": self.release,
            "attempts.claim": self.claim,
            "attempts.check": self.check,
            "attempts.output": self.output,
            "attempts.done": self.done,
        }

    async def register(self, call: Call) -> Reply:
        message: Register = call.request
        return Reply(await self._said.register(_worker(call), message))

    async def heartbeat(self, call: Call) -> Reply:
        """One that comes too often keeps the worker and its attempts, and asks and gives back, as any other does."""
        said: Heartbeat = replace(call.request, stats=None) if call.over else call.request
        member = await self._member(call)
        beat, stop, cancel = await self._said.heartbeat(member, said, unheard=call.over)
        return Reply(_beat(beat, stop, cancel))

    async def start(self, call: Call) -> Reply:
        return _listed(call, await self._said.start(await self._member(call), call.request))

    async def release(self, call: Call) -> Reply:
        return _listed(call, await self._said.release(await self._member(call), call.request))

    async def claim(self, call: Call) -> Reply:
        """While its socket lives a worker is given jobs through that, and none here (`Said.asks`)."""
        asked: AskJobs = call.request
        if call.head:
            return _NOTHING
        instance = call.headers.get(INSTANCE_HEADER)
        member = await self._said.asks(_worker(call), instance, _connection(call))
        if member is None:
            return _NOTHING
        given = await self._polls.ask(member, asked, call.gone, alone=instance is not None)
        if given is None:
            return _NOTHING
        return Reply(
            GivenJobs(
                jobs=tuple(_job(item) for item in given.jobs), 
                stop=_named(dict.fromkeys([*given.stop, *given.cancel])), cancel=_named(given.cancel),
            )
        )  # fmt: skip

    async def check(self, call: Call) -> Reply:
        """What is not this worker's, or not known at all, is `stale`: so there is one rule for all of it, to stop."""
        asked: AttemptQuery = call.request
        stop = await self._said.stops(await self._member(call), asked.job_id, asked.attempt)
        return Reply(CheckView(stop=stop is not None, reason=stop))

    async def output(self, call: Call) -> Reply:
        said: Chunks = call.request
        ack = await self._said.output(await self._member(call), said, call.gone)
        wrong = not_stored(ack)
        if wrong is not None:
            raise wrong
        return Reply(TakenView(acknowledged=OffsetsView(stdout=ack.stdout, stderr=ack.stderr)))

    async def done(self, call: Call) -> Reply:
        """A list is told of item by item, a single result is answered as HTTP answers."""
        items: Sequence[Done] = call.request
        member = await self._member(call)
        tolds = await self._said.done(member, items)
        if call.listed:
            return Reply(tolds)
        job = await self._desk.job(items[0].job_id)
        wrong = not_taken(tolds[0], job, member.holder)
        if wrong is not None:
            raise wrong
        return Reply(None if job is None else await self._view(job))

    async def _member(self, call: Call) -> Any:
        return await self._said.heard(_worker(call), call.headers.get(INSTANCE_HEADER))


def _worker(call: Call) -> str:
    if call.who.id is None:
        raise Refused("unauthorized", "This is for workers.", mend="Send the worker's token as `x-worker-token`.")
    return call.who.id


def _connection(call: Call) -> int:
    said = call.headers.get(CONNECTION_HEADER, "0")
    if len(said) > _DIGITS_MAX or not (said.isascii() and said.isdigit()):
        raise Refused("invalid_field", "This has to be the number of a connection.", field=CONNECTION_HEADER)
    return int(said)


def _listed(call: Call, answers: Sequence[Any]) -> Reply:
    return Reply(list(answers) if call.listed else answers[0])


def _beat(beat: Beat, stop: Iterable[tuple[str, int]], cancel: Iterable[tuple[str, int]]) -> BeatView:
    cancelled = dict.fromkeys([*((order.job_id, order.attempt) for order in beat.cancel), *cancel])
    stopped = [(told.job_id, told.attempt) for told in beat.held if told.tell == "stop"]
    return BeatView(
        lease_sec=beat.lease_sec, heartbeat_sec=beat.heartbeat_sec,
        stop=_named(dict.fromkeys([*stopped, *stop, *cancelled])), cancel=_named(cancelled),
        held=beat.held, start=beat.start, released=beat.released,
    )  # fmt: skip


def _named(keys: Iterable[tuple[str, int]]) -> tuple[Named, ...]:
    return tuple(Named(job_id=job_id, attempt=attempt) for job_id, attempt in keys)


def _job(item: Assignment) -> GivenJob:
    return GivenJob(
        job_id=item.job_id, attempt=item.attempt, command=item.command, env=item.env, timeout_sec=item.timeout_sec,
        kill_grace_sec=item.kill_grace_sec, on_lost=item.on_lost, cpu=item.cpu, ram_mb=item.ram_mb, stdin=item.stdin,
        container=item.container,
    )  # fmt: skip
