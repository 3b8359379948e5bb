"""The one that writes. All calls that wait go into one transaction and share its COMMIT; each is answered after it.

The thread also moves the log into the file (checkpoints): SQLite up to 3.51.2 could lose pages when a second connection
did, so one connection does both.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.runtime import Inline, Runtime
from cmdexec.store.sqlite.connection import PAGE_BYTES, Connection, StorageFault
from cmdexec.store.sqlite.transaction import Transaction

T = TypeVar("T")
Call = Callable[[Transaction], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait, and when the log is moved into the file.

    queue_items, queue_bytes   calls, and bytes of output in them, that may wait; more is refused
    group_items, group_bytes   the most that one commit takes
    log_pages                  pages (4 KiB) in the log after which it is moved; at four times that, waiting for readers
    idle_sec                   how long nothing is written before the log is moved
    full_retry_sec             when whoever needs room on a full disk is told to come again
    """

    queue_items: int
    queue_bytes: int
    group_items: int = 1024
    group_bytes: int = 4 << 20
    log_pages: int = 2000
    idle_sec: float = 5.0
    full_retry_sec: float = 2.0


_KEPT_TURNS = 4
_KEPT_SEC = 0.002
"""How many turns of the event loop, and how long, a call that brings on another is kept back, so that both share a
commit."""

_ALONE = 2
"""A claim, and what brought it on: a group of so many that foretells has nobody else in it."""

_USED_PAGES = 64
"""So many pages in the log show that the store is one that is used: then it is worth to make room for more."""


@dataclass(slots=True)
class _Waiting:
    call: Call
    size: int
    brings: bool = False
    answer: "asyncio.Future[Any] | None" = None
    result: Any = None
    fault: BaseException | None = None


class Writer:
    """Runs calls on the connection that writes.

    With real threads: in one thread of its own. With `Inline`: where they are made, each with a commit of its own.
    """

    def __init__(self, connection: Connection, runtime: Runtime, bounds: Bounds) -> None:
        self.last_write: float | None = None
        self._db = connection
        self._runtime = runtime
        self._bounds = bounds
        self._items = 0
        self._bytes = 0
        self._closed = False
        self._failing = False
        self._full = False
        self._stuck = False
        self._roomy = False
        self._tried_at = 0
        self._tried_full_at = float("-inf")
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._held: _Waiting | None = None
        self._told = False
        self._kept: _Waiting | None = None
        self._turns_left = 0
        self._kept_at = 0.0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(
        self, call: Callable[[Transaction], T], size: int = 0, standing: Callable[[], None] | None = None
    ) -> T:
        """Run `call` in the next group, and return its result once that is on stable storage.

        `size`: bytes it carries. `standing`: called when it has its place before all that are made from then on; it
        brings on another call, soon, for which this one waits a moment while there is nothing else to write. Raises
        what `call` raised, or Unavailable: `overloaded` when too much waits,
        `store_away` or `disk_full` when the group could not be written.
        """
        if self._closed:
            raise Unavailable("store_away", "The store is closed.")
        waiting = _Waiting(call, size, standing is not None)
        if isinstance(self._runtime.threads, Inline):
            if standing is not None:
                standing()
            self._commit([waiting])
            self._look_after_the_log()
            if waiting.fault is not None:
                raise waiting.fault
            result: T = waiting.result
            return result
        if self._items >= self._bounds.queue_items or (self._items and self._bytes + size > self._bounds.queue_bytes):
            raise Unavailable("overloaded", "Too much waits to be stored.", mend="Try again in a moment.")
        waiting.answer = self._started().create_future()
        self._items += 1
        self._bytes += size
        if standing is None:
            self._put(waiting)
        else:
            self._keep_back(waiting)
            standing()
        answer: T = await waiting.answer
        return answer

    async def close(self) -> None:
        """Write what waits, empty the log and close the connection. Later calls are refused."""
        if self._closed:
            return
        self._closed = True
        if self._thread is None:
            self._end()
            return
        self._put(None)
        await self._runtime.threads.run(self._thread.join)

    def disk_full(self) -> Unavailable:
        """No room: what to tell the caller."""
        return Unavailable(
            "disk_full", "The server's disk is full.", retry_after=self._bounds.full_retry_sec,
            mend="Make room on that disk.",
        )  # fmt: skip

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._serve, name="cmdexec-store-writer", daemon=True)
            self._thread.start()
        return self._loop

    # ---- on the event loop

    def _put(self, waiting: _Waiting | None) -> None:
        """Behind all that came before. Both are there when the thread is woken: it needs the interpreter for that."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self._queue.put(kept)
        self._queue.put(waiting)

    def _keep_back(self, waiting: _Waiting) -> None:
        """For a moment, if the thread has nothing to do meanwhile."""
        if self._items > 1 or self._loop is None:
            return self._put(waiting)
        self._kept, self._turns_left, self._kept_at = waiting, _KEPT_TURNS, self._runtime.clock.elapsed()
        self._loop.call_soon(self._turn, waiting)
        return None

    def _turn(self, waiting: _Waiting) -> None:
        if self._kept is not waiting or self._loop is None:
            return
        self._turns_left -= 1
        if self._turns_left and self._runtime.clock.elapsed() - self._kept_at < _KEPT_SEC:
            self._loop.call_soon(self._turn, waiting)
        else:
            self._kept = None
            self._queue.put(waiting)

    def _answer(self, group: list[_Waiting]) -> None:
        """What was brought on before what brought it on: it has further to go."""
        for waiting in sorted(group, key=_brings):
            self._items -= 1
            self._bytes -= waiting.size
            if waiting.answer is None or waiting.answer.done():
                continue
            if waiting.fault is None:
                waiting.answer.set_result(waiting.result)
            else:
                waiting.answer.set_exception(waiting.fault)

    # ---- in the thread

    def _serve(self) -> None:
        ending = False
        while not ending:
            group, ending = self._next_group()
            if group:
                self._commit(group)
                self._hand_back(group)
            self._look_after_the_log()
        self._end()

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        """All that waits, within the bounds of one commit; and whether it was the last. Empty when idle for long."""
        group: list[_Waiting] = []
        size = 0
        while len(group) < self._bounds.group_items:
            waiting, self._held = self._held, None
            if waiting is None:
                try:
                    if group:
                        waiting = self._queue.get_nowait()
                    else:
                        waiting = self._queue.get(timeout=self._bounds.idle_sec if self._db.log_pages else None)
                except queue.Empty:
                    if not group:
                        self._checkpoint(truncate=False)
                    return group, False
                if waiting is None:
                    return group, True
            size += waiting.size
            if group and size > self._bounds.group_bytes:
                self._held = waiting
                return group, False
            group.append(waiting)
        return group, False

    def _commit(self, group: list[_Waiting]) -> None:
        """Run the group and commit it. Faults of storage fail all of it; any other fault only the call that raised it:
        the group is run once more with a savepoint around each call, which costs nothing as long as nothing fails."""
        self._told = False
        try:
            if not self._attempt(group, isolated=False):
                self._attempt(group, isolated=True)
            self.last_write = self._runtime.clock.elapsed()
            self._recovered()
        except Exception as fault:
            self._fail(group, fault)

    def _attempt(self, group: list[_Waiting], *, isolated: bool) -> bool:
        """Whether it was committed. Nothing of it is left otherwise."""
        transaction = Transaction(self._db)
        self._db.run("BEGIN IMMEDIATE")
        try:
            for waiting in self._with_what_follows(group, transaction, isolated=isolated):
                waiting.result = waiting.fault = None
                try:
                    if isolated:
                        waiting.result = _apart(transaction, waiting.call)
                    else:
                        waiting.result = waiting.call(transaction)
                except CmdexecError as refusal:
                    waiting.fault = refusal
                except StorageFault:
                    raise
                except Exception as fault:
                    if not isolated:
                        return False
                    self._runtime.log.error("a call to the store failed", exc=fault)
                    waiting.fault = fault
            transaction.settle()
            self._db.run("COMMIT")
            return True
        finally:
            self._db.roll_back()

    def _with_what_follows(
        self, group: list[_Waiting], transaction: Transaction, *, isolated: bool
    ) -> Iterator[_Waiting]:
        """The group; and then, once what it foretells is told, one call more, if nobody else waits for the commit
        meanwhile: most likely the one that was decided upon it, which comes at once or is not waited for."""
        yield from tuple(group)
        told, self._told = self._told, True
        for tell in () if told else transaction.foretold:
            self._foretell(tell)
        alone = len(group) <= _ALONE and self._held is None and self._loop is not None
        if not transaction.follows_sec or isolated or not alone:
            return
        try:
            follows = self._queue.get(timeout=transaction.follows_sec)
        except queue.Empty:
            return
        if follows is None:
            self._queue.put(None)  # the last of all
        elif sum(waiting.size for waiting in group) + follows.size > self._bounds.group_bytes:
            self._held = follows
        else:
            group.append(follows)
            yield follows

    def _fail(self, group: list[_Waiting], fault: Exception) -> None:
        for waiting in group:
            waiting.result, waiting.fault = None, self._unavailable(fault)
        self._full = isinstance(fault, StorageFault) and fault.full
        if self._failing:
            return
        self._failing = True
        if self._full:
            self._runtime.log.error("the store's disk is full; nothing is stored until there is room", cause=str(fault))
        elif isinstance(fault, StorageFault) and fault.damaged:
            self._runtime.log.error("the store's file is damaged", cause=str(fault))
        else:
            self._runtime.log.error("the store cannot write", exc=fault)

    def _unavailable(self, fault: Exception) -> Unavailable:
        if isinstance(fault, StorageFault) and fault.full:
            return self.disk_full()
        if isinstance(fault, StorageFault) and fault.busy:
            return Unavailable("store_away", "The store is held by another program.", mend="End that program.")
        if isinstance(fault, StorageFault) and fault.damaged:
            return damaged()
        return Unavailable("store_away", "The store cannot be written.", mend="The server's log says why.")

    def _recovered(self) -> None:
        if self._failing:
            self._failing = self._full = False
            self._tried_full_at = float("-inf")
            self._runtime.log.info("the store writes again")

    def _foretell(self, tell: Callable[[], None]) -> None:
        if self._loop is None:
            tell()
        else:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(tell)

    def _hand_back(self, group: list[_Waiting]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._answer, group)

    def _look_after_the_log(self) -> None:
        pages, bound = self._db.log_pages, self._bounds.log_pages
        if pages < self._tried_at:
            self._tried_at = 0
        if pages >= _USED_PAGES and not self._roomy:
            self._roomy = True
            self._db.make_room_in_log(bound * PAGE_BYTES)
        if pages >= self._tried_at + bound:
            self._tried_at = pages
            self._checkpoint(truncate=pages >= 4 * bound)
        if self._full and pages and self._runtime.clock.elapsed() - self._tried_full_at >= self._bounds.idle_sec:
            # A log that is moved as a whole is written from its beginning again: into room that it has already.
            self._tried_full_at = self._runtime.clock.elapsed()
            self._checkpoint(truncate=False)

    def _checkpoint(self, *, truncate: bool) -> None:
        """A failing checkpoint loses nothing: the log keeps what is committed, and the next one tries again."""
        try:
            self._db.checkpoint(truncate=truncate)
            self._stuck = False
        except Exception as fault:
            if not self._stuck:
                self._stuck = True
                self._runtime.log.warning("the store's log cannot be moved into its file", cause=str(fault))

    def _end(self) -> None:
        self._checkpoint(truncate=True)
        self._db.close()


def damaged() -> Unavailable:
    """A part of the file has gone bad: what to tell the caller."""
    mend = "Stop the server and put a backup of its store in place."
    return Unavailable("store_away", "A part of the store's file is damaged.", mend=mend)


def _brings(waiting: _Waiting) -> bool:
    return waiting.brings


def _apart(transaction: Transaction, call: Call) -> Any:
    """Run one call so that its fault undoes its own writes and no others."""
    db = transaction.db
    own = Transaction(db)
    db.run("SAVEPOINT call")
    try:
        result = call(own)
    except StorageFault:
        raise
    except Exception:
        db.run("ROLLBACK TO call")
        db.run("RELEASE call")
        raise
    db.run("RELEASE call")
    transaction.merge(own)
    return result
