"""Ctrl-C, kept until something is whole. Loads nothing heavy: it is needed before a loop is."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupted_later() -> Iterator[None]:
    """Ctrl-C that is pressed while this is open does what it does when it is over: so what is made in it is there
    whole, or not at all, for whoever has to take it away again."""
    pressed = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True

    if not callable(signal.getsignal(signal.SIGINT)):  # it is ignored, or none of Python's affairs
        yield
        return
    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: nothing is interrupted there
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        signal.raise_signal(signal.SIGINT)
