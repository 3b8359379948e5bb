"""A coroutine begun outside of any task: what need not wait for anything is over at once, at no cost of a task."""

from collections.abc import Coroutine, Generator
from typing import Any


class Begun:
    """One that waits for something. Await it once, in a task; or `close` it."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            yield self._waits_for
        except BaseException:
            self.close()
            raise
        yield from self._coroutine.__await__()

    def close(self) -> None:
        """Let it go no further."""
        self._coroutine.close()


def begin(coroutine: Coroutine[Any, Any, None]) -> Begun | None:
    """Run it until it waits for something; None when it has ended before. Raises what it raises."""
    try:
        return Begun(coroutine, coroutine.send(None))
    except StopIteration:
        return None
