"""Asking for jobs and orders over HTTP: one long poll after the other."""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.ids import Ids
from cmdexec.model.attempt import State
from cmdexec.protocol.codec import Frame
from cmdexec.protocol.messages import Held
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.held import HeldAttempt
from cmdexec.worker.line import NOT_NOW
from cmdexec.worker.polling_calls import Calls, Lost
from cmdexec.worker.polling_speaker import OF_ALL, Hear, order_frames
from cmdexec.worker.slots import Slots

_MOST = 256
"""The most jobs that one poll may ask for (`AskJobs`)."""


class _Given(msgspec.Struct, frozen=True):
    """A `GivenJobs`, its jobs as JSON."""

    jobs: msgspec.Raw = msgspec.Raw(b"[]")
    stop: tuple[Held, ...] = ()
    cancel: tuple[Held, ...] = ()


_GIVEN = msgspec.json.Decoder(_Given)


class Orders:
    """Polls until cancelled. `free`: for how many more jobs there is room now.

    While there is none, a poll asks for orders alone, which a free slot brings to an end: the server answers it when
    the next one comes. `look` says that a slot may have come free.

    answered  a server of ours has answered a poll
    asking    how many polls for jobs are under way
    """

    def __init__(
        self, calls: Calls, hear: Hear, free: Callable[[], int], *, settings: WorkerSettings, clock: Clock, ids: Ids
    ) -> None:
        self._calls, self._hear, self._free = calls, hear, free
        self._settings, self._clock, self._ids = settings, clock, ids
        self.answered = False
        self.asking = 0
        self._look = asyncio.Event()
        self._current: str | None = None

    def look(self) -> None:
        """See whether there is room for more jobs than was asked for."""
        self._look.set()

    async def run(self) -> None:
        """Poll. Raises Lost, and CmdexecError where the server refuses it."""
        earlier: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as tasks:
            while True:
                most = self._room()
                self._current = self._ids.new()
                poll = tasks.create_task(self._poll(self._current, most), name="poll")
                poll.add_done_callback(lambda _: self._look.set())
                while True:
                    self._look.clear()
                    if poll.done() or (most == 0 and self._room() > 0):
                        break
                    await self._look.wait()
                if earlier is not None:
                    earlier.cancel()
                earlier = poll

    def _room(self) -> int:
        return min(self._free(), _MOST)

    async def _poll(self, claim: str, most: int) -> None:
        """Ask with this claim until it is answered, or until there is another."""
        wait, again = self._settings.poll_wait_sec, self._settings.again_sec
        query = {"claim": claim, "wait": f"{wait:g}", "max": str(most)}
        asked_at = self._clock.elapsed()
        self.asking += most > 0
        try:
            given = await self._given(claim, query)
        finally:
            self.asking -= most > 0
        if given is not None and self._some(given):
            await self._hear(_frames(given))
            return
        if most:
            await self._hear(())  # nothing is on its way any more: that is news to one who ends
        if claim == self._current and self._clock.elapsed() - asked_at < min(again, wait) / 2:
            await self._clock.sleep(again)  # it was sent away, by a server that has a reason for it

    async def _given(self, claim: str, query: Mapping[str, str]) -> _Given | None:
        while True:
            try:
                body = await self._calls.call("attempts.claim", query=query, wait_sec=self._settings.poll_wait_sec)
                self.answered = True
                return _GIVEN.decode(body) if body else None
            except CmdexecError as wrong:
                self.answered = True
                if wrong.code in OF_ALL or wrong.code not in NOT_NOW:
                    raise
                pause = wrong.retry_after if isinstance(wrong, Unavailable) else self._settings.again_sec
                await self._clock.sleep(pause)
            except msgspec.MsgspecError as wrong:
                raise Lost(Unavailable("server_away", "The answer is none of a cmdexec server.")) from wrong
            except Lost:
                if claim == self._current:
                    raise
                return None
            if claim != self._current:
                return None

    @staticmethod
    def _some(given: _Given) -> bool:
        return bool(given.stop or given.cancel or bytes(given.jobs) != b"[]")


def _frames(given: _Given) -> list[Frame]:
    return [*order_frames(given.stop, given.cancel), Frame(op="assign", items=given.jobs)]


def free_slots(held: Mapping[str, HeldAttempt], slots: Slots, clock: Clock) -> int:
    """For how many more jobs there is a slot now, beyond those that have one or wait for one. Those that wait for their
    part of the machine take none, as long as they are no more than there are slots."""
    if slots.closed or clock.elapsed() < slots.paused_until:
        return 0
    over = (State.ENDED, State.RELEASED)
    busy = sum(one.record.state not in over for one in held.values()) - min(slots.parts.crowded, slots.size)
    return max(0, slots.size - busy)
