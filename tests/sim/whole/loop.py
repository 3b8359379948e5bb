"""Virtual time: an event loop on which nothing waits, and processes that can be stopped and killed on it.

Whatever would wait for the world outside (a descriptor, a thread, a name to look up) is an error here.
"""

import asyncio
import contextvars
import heapq
from asyncio.events import Handle, TimerHandle
from collections.abc import Callable, Coroutine
from typing import Any

NODE: contextvars.ContextVar["Node | None"] = contextvars.ContextVar("node", default=None)
"""The process that runs now; None: the world around all of them."""

BEGINS_AT = 1000.0
_MANY_TASKS = 2000


class Idle(Exception):
    """Nothing will ever happen again, and somebody waits for it."""


class _Nothing:
    """In place of a selector: time jumps to whatever is next."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Idle
        if timeout > 0:
            self._loop.go_on(timeout)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """`tasks`: all that were begun and are not over; they are kept, for those of a killed process are nobody's.
    `wrong` is told of what no task or callback should raise."""

    def __init__(self, wrong: Callable[[str, BaseException | None], None]) -> None:
        super().__init__()
        self._now = BEGINS_AT
        self._selector = _Nothing(self)
        self._clock_resolution = 1e-6
        self.world = contextvars.Context()
        self.tasks: list[asyncio.Task[Any]] = []
        self._many = _MANY_TASKS
        self.set_task_factory(self._made)
        self.set_exception_handler(lambda _loop, about: wrong(about["message"], about.get("exception")))

    def time(self) -> float:
        return self._now

    def go_on(self, seconds: float) -> None:
        """Let that much time pass."""
        self._now += seconds

    def _made(self, _loop: Any, coro: Any, context: contextvars.Context | None = None) -> "asyncio.Task[Any]":
        task = asyncio.Task(coro, loop=self, context=context)
        self.tasks.append(task)
        if len(self.tasks) > self._many:
            self.tasks = [one for one in self.tasks if not one.done()]
            self._many = 2 * len(self.tasks) + _MANY_TASKS
        return task

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Handle:
        context = contextvars.copy_context() if context is None else context
        node = context.get(NODE)
        handle = Handle(callback, args, self, context) if node is None else _Handle(node, callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> TimerHandle:
        context = contextvars.copy_context() if context is None else context
        node = context.get(NODE)
        if node is None:
            timer = TimerHandle(when, callback, args, self, context)
        else:
            timer = _Timer(node, when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Handle:
        raise RuntimeError("there are no threads in a simulation")

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        raise RuntimeError("there are no threads in a simulation")

    async def getaddrinfo(self, *_args: Any, **_more: Any) -> Any:
        raise RuntimeError("there is no network in a simulation")

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def again(self, handles: list[Handle]) -> None:
        """Run these now: their process goes on."""
        self._ready.extend(handles)


async def time_passes(seconds: float) -> None:
    """On a virtual loop that is over at once."""
    if not isinstance(asyncio.get_running_loop(), VirtualLoop):
        raise TypeError("time passes by itself on a virtual loop alone")
    await asyncio.sleep(seconds)


class Node:
    """A process. While it is stopped nothing of it runs, and all of it is made up for afterwards; a killed one never
    goes on, and nothing of it is cleaned up: no `finally`, no word to anybody. `failed` is told of what its own tasks
    raise."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.name = name
        self.stopped = self.killed = False
        self.held: list[Handle] = []
        self.failed: Callable[[str, BaseException | None], None] = lambda _what, _fault: None
        self._loop = loop
        self.context = contextvars.Context()
        self.context.run(NODE.set, self)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Begin a task of this process."""
        task = self._loop.create_task(work, name=f"{self.name}: {name}", context=self.context.copy())
        task.add_done_callback(self._over, context=self._loop.world)
        return task

    def _over(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.failed(f"{task.get_name()} failed", fault)

    def tell(self, callback: Callable[..., object], *args: Any) -> None:
        """Call something of this process from outside."""
        self._loop.call_soon(callback, *args, context=self.context)

    def stop(self) -> None:
        self.stopped = True

    def kill(self) -> None:
        self.stopped = self.killed = True

    def go_on(self) -> None:
        if not self.killed:
            self.stopped = False
            held, self.held = self.held, []
            self._loop.again(held)

    def bury(self) -> None:
        """When all is judged: let what is left of it end as tasks do."""
        self.killed = False
        self.go_on()


class _Handle(Handle):
    __slots__ = ("_node",)

    def __init__(self, node: Node, callback: Any, args: Any, loop: Any, context: Any) -> None:
        self._node = node
        super().__init__(callback, args, loop, context)

    def _run(self) -> None:
        if self._node.stopped:
            self._node.held.append(self)
        else:
            super()._run()


class _Timer(TimerHandle):
    __slots__ = ("_node",)

    def __init__(self, node: Node, when: float, callback: Any, args: Any, loop: Any, context: Any) -> None:
        self._node = node
        super().__init__(when, callback, args, loop, context)

    def _run(self) -> None:
        if self._node.stopped:
            self._node.held.append(self)
        else:
            super()._run()
