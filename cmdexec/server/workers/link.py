"""One worker's connection: what it says is taken in turns, and answered when it is on disk.

Frames that come while a turn is being written wait and make the next turn together. A result whose output is still on
its way, or has to be read again for its digest, is judged apart, so that nothing else waits for it; the answer to its
frame waits for all its items.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from cmdexec.errors import Refused, Unavailable
from cmdexec.protocol.codec import answer
from cmdexec.protocol.messages import Done, Failure, OutputHeader, Register, Registered
from cmdexec.server.jobs import again
from cmdexec.server.workers.answers import send_answer
from cmdexec.server.workers.carry import carry_out, listen
from cmdexec.server.workers.desk import Desk
from cmdexec.server.workers.intake import Intake
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.outbox import Outbox
from cmdexec.server.workers.turn import ASKS_AT_ONCE, Reply, Turn

Said = tuple[str, int | None, Sequence[Any]]
"""A frame as decoded: its name, its number if it wants an answer, its items."""

ITEMS_MAX = 20_000
"""What may wait for its turn before no more is read, in attempts and results named."""


class WorkerLink:
    """Made by `Presence.connect`. `register` comes first; `closed` last, when the socket has ended."""

    def __init__(self, desk: Desk, worker_id: str, outbox: Outbox) -> None:
        self._desk = desk
        self._worker_id = worker_id
        self._outbox = outbox
        self._member: Member | None = None
        self._intake: Intake | None = None
        self._waiting: list[Said] = []
        self._items = 0
        self._late: list[tuple[Done, Reply, int]] = []
        self._room = asyncio.Event()
        self._turning = False
        self._judging = False

    async def register(self, message: Register) -> Registered:
        """Who it is. Raises CmdexecError if it may not work: the socket is to be closed then."""
        self._member = await self._desk.join(self._worker_id, message, self._outbox)
        self._intake = self._desk.intake(self._member)
        return self._desk.welcome(self._member.holder)

    async def frames(self, frames: Sequence[Said]) -> list[Any]:
        """Take the frames of one message. Answers go to the outbox; what is returned is to be sent as well.

        Returns when there is room for more. Raises CmdexecError when the socket must be closed.
        """
        answers: list[Any] = []
        for op, number, items in frames:
            if op == "register":
                answers.extend([answer(number or 0, [await self._welcomed(message)]) for message in items])
                continue
            member = self._registered()
            self._desk.heard(member)
            self._waiting.append((op, number, items))
            self._items += _named(op, items)
        if self._waiting and not self._turning:
            self._turning = True
            self._desk.spawn(self._take_turns(), self._outbox)
        while self._items + len(self._late) > ITEMS_MAX and not self._gone:
            self._room.clear()
            await self._room.wait()
        return answers

    async def _welcomed(self, message: Register) -> Registered | Failure:
        """The answer to `register`: a worker that cannot be written down now tries again later."""
        try:
            return await self.register(message)
        except Unavailable as away:
            return Failure(away.code, away.message, retry_after_sec=away.retry_after)

    async def output(self, header: OutputHeader, data: bytes | memoryview) -> None:
        """Take a piece of output; returns when there is room for more."""
        member = self._registered()
        self._desk.heard(member)
        if self._intake is not None and await self._intake.bring(header, data):
            self._desk.spawn(self._intake.run(), self._outbox)

    def closed(self) -> None:
        """The socket has ended. What it was saying is dropped: the worker says it again."""
        self._waiting.clear()
        self._late.clear()
        self._items = 0
        self._room.set()
        if self._intake is not None:
            self._intake.close()
        if self._member is not None:
            self._desk.leave(self._member)

    @property
    def _gone(self) -> bool:
        return self._member is None or self._member.gone

    def _registered(self) -> Member:
        if self._member is None:
            raise Refused("bad_request", "The first frame of a worker has to be `register`.", field="op")
        return self._member

    # Turns

    async def _take_turns(self) -> None:
        try:
            while self._waiting and not self._gone:
                await self._turn(self._next())
        finally:
            self._turning = False

    def _next(self) -> list[Said]:
        """The frames of the next turn: as many as are good for one write, at least one."""
        size = count = 0
        for op, _, items in self._waiting:
            more = _named(op, items)
            if count and size + more > ASKS_AT_ONCE:
                break
            size += more
            count += 1
        said, self._waiting = self._waiting[:count], self._waiting[count:]
        self._items -= size
        self._room.set()
        return said

    async def _turn(self, said: Sequence[Said]) -> None:
        desk, member = self._desk, self._registered()
        turn = Turn(member, desk.offers)
        replies: list[Reply] = []
        for op, number, items in said:
            reply = Reply(number, len(items))
            replies.append(reply)
            if op == "start":
                member.wants_start(items)
                turn.start(items, reply)
            elif op == "released":
                turn.released(items, reply)
            elif op == "done":
                for index, item in enumerate(items):
                    self._judge(turn, item, reply, index)
            elif op == "heartbeat":
                for index, beat in enumerate(items):
                    turn.heartbeat(beat, await listen(desk, member, beat), reply, index)
            else:
                raise Refused("bad_request", f"No frame of a worker is called {op}.", field="op")
        await self._carry_out(turn)
        for reply in replies:
            self._send(reply)
        self._outbox.flush()
        if self._late and not self._judging:
            self._judging = True
            desk.spawn(self._judge_late(), self._outbox)

    def _judge(self, turn: Turn, item: Done, reply: Reply, index: int) -> None:
        measure = None
        if self._intake is None or not self._intake.pending(item.job_id, item.attempt):
            measure = self._desk.stored.known(item.job_id, item.attempt)
        if measure is None:
            self._late.append((item, reply, index))
        else:
            turn.done(item, reply, index, measure, self._desk.output_limit)

    async def _judge_late(self) -> None:
        """Results whose output has to be waited for: those that need no reading together, the others one by one."""
        desk, member = self._desk, self._registered()
        stored = desk.stored
        try:
            while self._late and not self._gone:
                late, self._late = self._late, []
                self._room.set()
                turn = Turn(member, desk.offers)
                unread: list[tuple[Done, Reply, int]] = []
                for item, reply, index in late:
                    if self._intake is not None:
                        await self._intake.settled(item.job_id, item.attempt)
                    measure = stored.known(item.job_id, item.attempt)
                    if measure is None:
                        unread.append((item, reply, index))
                    else:
                        turn.done(item, reply, index, measure, self._desk.output_limit)
                await self._carry_out(turn)
                for item, reply, index in unread:
                    await self._read_and_judge(item, reply, index)
                for reply in {id(reply): reply for _, reply, _ in late}.values():
                    self._send(reply)
        finally:
            self._judging = False

    async def _read_and_judge(self, item: Done, reply: Reply, index: int) -> None:
        """A result whose output has to be read for its digest."""
        turn = Turn(self._registered(), self._desk.offers)
        try:
            measured = await self._desk.measured(item.job_id, item.attempt)
        except Unavailable:
            reply.set(index, again(item.job_id, item.attempt))
            return
        turn.done(item, reply, index, measured, self._desk.output_limit)
        await self._carry_out(turn)

    async def _carry_out(self, turn: Turn) -> None:
        member = self._registered()
        if await carry_out(self._desk, member, turn) is None and turn.beats:
            member.ready = True

    def _send(self, reply: Reply) -> None:
        if reply.number is not None and not reply.open:
            send_answer(self._outbox, reply.number, reply.items)
            reply.number = None


def _named(op: str, items: Sequence[Any]) -> int:
    """How much a frame asks for: its items, and all that its heartbeats name."""
    if op != "heartbeat":
        return max(1, len(items))
    return sum(1 + len(beat.jobs or ()) + len(beat.start) + len(beat.released) for beat in items) or 1
