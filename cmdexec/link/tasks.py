"""What a process has under way, told in its log to whoever asks by SIGUSR1: so one sees that nothing is left over."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cmdexec.log import Log
from cmdexec.system.signals import TELL, hearing


@contextmanager
def telling_tasks(log: Log) -> Iterator[None]:
    """While this is open, each SIGUSR1 is answered by a line of the log: how many tasks the running loop has, and of
    each coroutine how many. Where there is no such signal nobody can ask."""

    def tell() -> None:
        tasks = asyncio.all_tasks()
        what = Counter(_name(task) for task in tasks)
        log.info("what is under way", tasks=len(tasks), of=", ".join(f"{n} {name}" for name, n in sorted(what.items())))

    handlers: dict[int, Callable[[], object]] = {} if TELL is None else {TELL: tell}
    with hearing(handlers):
        yield


def _name(task: "asyncio.Task[object]") -> str:
    coroutine = task.get_coro()
    return str(getattr(coroutine, "__qualname__", type(coroutine).__name__))
