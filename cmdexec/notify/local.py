"""Hints inside one process: each listener is called at once."""

from collections.abc import Callable
from typing import Any

from cmdexec.log import Log
from cmdexec.notify.contract import H, Hint


class LocalNotify:
    """The Notify of a server that is alone. A listener that raises is logged and does not stop the others."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._listeners: dict[type[Hint], dict[object, Callable[[Any], None]]] = {}

    @property
    def reaches_others(self) -> bool:
        return False

    def publish(self, hint: Hint) -> None:
        for listener in tuple(self._listeners.get(type(hint), {}).values()):
            try:
                listener(hint)
            except Exception as fault:
                self._log.error("a listener failed", exc=fault, hint=type(hint).__name__)

    def listen(self, kind: type[H], listener: Callable[[H], None]) -> Callable[[], None]:
        listeners = self._listeners.setdefault(kind, {})
        key = object()
        listeners[key] = listener

        def end() -> None:
            listeners.pop(key, None)

        return end

    async def close(self) -> None:
        self._listeners.clear()
