"""Waiting for a fact, with a deadline: the only place where a test lets time pass."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STEP_SEC = 0.01


def until(fact: Callable[[], T], what: str, within: float = 20.0, step: float = STEP_SEC) -> T:
    """Ask `fact` until it answers with something true, and return that; fail with `what` after `within` seconds."""
    end = time.monotonic() + within
    while True:
        answer = fact()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what} (last answer: {answer!r})")
        time.sleep(step)


def holds(fact: Callable[[], bool], what: str, during: float, step: float = STEP_SEC) -> None:
    """Fail with `what` unless `fact` stays true for `during` seconds."""
    end = time.monotonic() + during
    while time.monotonic() < end:
        assert fact(), what
        time.sleep(step)


async def becomes(fact: Callable[[], object], what: str, within: float = 5.0) -> None:
    """As `until`, while the event loop goes on."""
    end = time.monotonic() + within
    while not fact():
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(STEP_SEC / 2)


async def stays(fact: Callable[[], bool], what: str, during: float) -> None:
    """As `holds`, while the event loop goes on."""
    end = time.monotonic() + during
    while time.monotonic() < end:
        assert fact(), what
        await asyncio.sleep(STEP_SEC / 2)
