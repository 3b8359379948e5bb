"""Where what a worker without a socket is told waits until it asks: the other kind of `Outbox`."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.link.socket import Close
from cmdexec.protocol.codec import encode
from cmdexec.protocol.messages import Assignment, CancelOrder, StopOrder

ANSWER_BYTES = 1024 * 1024
"""Assignments that one answer holds, but for a single larger one."""

_ORDERS_AGAIN = 3
_ANSWERS_KEPT = 2
"""A worker may have two requests under way, of which the newer one ends the older."""

Key = tuple[str, int]


class Poll:
    """One request for jobs that is open.

    claim  what its answer is called, None if the jobs have to be granted before they are given
    most   how many it takes
    brief  it waits for no job that is not there yet
    why    what it is answered in place of jobs, once it is over
    passed another one of this worker took its place
    """

    __slots__ = ("brief", "claim", "most", "over", "passed", "why")

    def __init__(self, claim: str | None, most: int, *, brief: bool = False) -> None:
        self.claim = claim
        self.most = most
        self.brief = brief
        self.over = asyncio.Event()
        self.passed = False
        self.why: CmdexecError | None = None

    def end(self, why: CmdexecError | None = None) -> None:
        """Nothing more is put into its answer."""
        if not self.over.is_set():
            self.why = why
            self.over.set()

    @property
    def takes_orders(self) -> bool:
        """One that names no claim, and is for jobs, is not heard as to whether its answer arrived."""
        return self.claim is not None or not self.most


class Answer:
    """What a poll with a claim was answered, to be said again if the same claim comes again: the attempts given, those
    to stop and those to cancel."""

    __slots__ = ("_again", "cancel", "jobs", "stop")

    def __init__(self, jobs: Sequence[Key], stop: Sequence[Key], cancel: Sequence[Key]) -> None:
        self.jobs, self.stop, self.cancel = jobs, stop, cancel
        self._again = 0

    def orders_again(self) -> tuple[Sequence[Key], Sequence[Key]]:
        """To stop, to cancel. No more after a few times: a heartbeat brings them, and who has only one claim would be
        answered at once each time."""
        self._again += 1
        return (self.stop, self.cancel) if self._again <= _ORDERS_AGAIN else ((), ())


class Mailbox:
    """Of one worker. Assignments wait for the next poll, whatever claim that has; orders for a poll or a heartbeat."""

    def __init__(self, *, most_bytes: int, most_orders: int) -> None:
        self._most_bytes = most_bytes
        self._most_orders = most_orders
        self._jobs: OrderedDict[Key, tuple[Assignment, int]] = OrderedDict()
        self._bytes = 0
        self._orders: OrderedDict[Key, CancelOrder | StopOrder] = OrderedDict()
        self._room = asyncio.Event()
        self._closed = False
        self.poll: Poll | None = None
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    # As an outbox

    def put(self, frame: Any) -> None:
        """Keep assignments and orders; a drain ends the poll. All else is news for sockets."""
        if self._closed:
            return
        if frame.op == "assign":
            self._keep(frame.items)
        elif frame.op in ("stop", "cancel"):
            for order in frame.items:
                self._order(order)
        elif frame.op == "drain" and self.poll is not None and any(item.draining is None for item in frame.items):
            self.poll.end(Unavailable("draining", "This server is stopping.", retry_after=2.0))
        self._look()

    def flush(self) -> None:
        """Nothing to do: a poll has been answered by then."""

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes leave half of what may wait free. Where nothing waits, there is room for all."""
        return not self._jobs or self._bytes + size <= self._most_bytes // 2

    async def room(self, size: int) -> None:
        """Wait until there is room for `size` more bytes. Raises Unavailable at the end."""
        while not self._closed and not self.has_room(size):
            self._room.clear()
            await self._room.wait()
        if self._closed:
            raise Unavailable("overloaded", "The worker is polling no more.")

    def close(self, code: int, sentence: str) -> None:
        """The worker has another connection by now, or none. What waits here is forgotten: its next list shows what it
        lacks."""
        if self._closed:
            return
        self._closed = True
        self._jobs.clear()
        self._orders.clear()
        self._room.set()
        if self.poll is not None:
            self.poll.end(Refused("forbidden", sentence) if code == Close.FORBIDDEN else None)

    # For those who ask

    def has(self, job_id: str, attempt: int) -> bool:
        """Whether the assignment of this attempt waits here."""
        return (job_id, attempt) in self._jobs

    @property
    def wanted(self) -> int:
        """How many jobs may be put here: as many as the poll that is open takes, if it got none yet."""
        poll = self.poll
        return 0 if poll is None or poll.over.is_set() or self._jobs else poll.most

    def open(self, poll: Poll) -> None:
        """Begin to wait for jobs; who waited before waits no more."""
        if self.poll is not None:
            self.poll.passed = True
            self.poll.end()
        self.poll = poll
        if self._closed:
            poll.end()
        self._look()

    def leave(self, poll: Poll) -> None:
        """This one waits no more."""
        if self.poll is poll:
            self.poll = None

    def looked(self) -> None:
        """All that waits for this worker has been claimed by now."""
        if self.poll is not None and self.poll.brief:
            self.poll.end()

    def take(self, most: int) -> list[Assignment]:
        """The assignments that come next, no more than are good for one answer."""
        taken: list[Assignment] = []
        size = 0
        while self._jobs and len(taken) < most:
            key, (item, more) = next(iter(self._jobs.items()))
            if taken and size + more > ANSWER_BYTES:
                break
            self._drop(key)
            taken.append(item)
            size += more
        return taken

    def no_more(self) -> None:
        """It takes no jobs any more: whoever waits for some is answered."""
        if self.poll is not None and self.poll.most:
            self.poll.end()

    def take_all(self) -> list[Assignment]:
        """All assignments that wait: they shall not be given."""
        waiting = [item for item, _ in self._jobs.values()]
        for item in waiting:
            self._drop((item.job_id, item.attempt))
        return waiting

    def answered(self, claim: str, answer: Answer) -> None:
        """That claim is being answered so."""
        self._answers[claim] = answer
        self._answers.move_to_end(claim)
        while len(self._answers) > _ANSWERS_KEPT:
            self._answers.popitem(last=False)

    def answer(self, claim: str) -> Answer | None:
        """What that claim was answered, if it is one of the last."""
        return self._answers.get(claim)

    def forget(self, job_id: str, attempt: int) -> None:
        """The worker has this attempt no more."""
        self._drop((job_id, attempt))

    def put_back(self, items: Sequence[Assignment]) -> None:
        """These could not be given: they come first next time."""
        if self._closed:
            return
        for item in reversed(items):
            self._put(item)
            self._jobs.move_to_end((item.job_id, item.attempt), last=False)

    def take_orders(self) -> tuple[list[Key], list[Key]]:
        """All orders that wait: attempts to stop, attempts to cancel. They wait no more."""
        orders = self.orders()
        self._orders.clear()
        return orders

    def orders(self) -> tuple[list[Key], list[Key]]:
        """The same, and they go on waiting."""
        stop = [key for key, order in self._orders.items() if isinstance(order, StopOrder)]
        return stop, [key for key, order in self._orders.items() if isinstance(order, CancelOrder)]

    def _keep(self, items: Iterable[Assignment]) -> None:
        for item in items:
            self._put(item)

    def _put(self, item: Assignment) -> None:
        key = (item.job_id, item.attempt)
        self._drop(key)
        size = len(encode(item))
        self._jobs[key] = (item, size)
        self._bytes += size

    def _drop(self, key: Key) -> bool:
        found = self._jobs.pop(key, None)
        if found is None:
            return False
        self._bytes -= found[1]
        self._room.set()
        return True

    def _order(self, order: CancelOrder | StopOrder) -> None:
        """The worker need not be told to stop what it was never given."""
        key = (order.job_id, order.attempt)
        if isinstance(order, StopOrder) and self._drop(key):
            return
        self._orders[key] = order
        self._orders.move_to_end(key)
        while len(self._orders) > self._most_orders:
            self._orders.popitem(last=False)  # the worker's next list brings it again

    def _look(self) -> None:
        """End the poll if there is something for its answer."""
        poll = self.poll
        if poll is not None and ((self._jobs and poll.most) or (self._orders and poll.takes_orders)):
            poll.end()
