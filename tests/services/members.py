"""What may befall the members of a replica set: its primary steps down, is killed, is frozen as one behind a broken
switch is, or writes what no other member gets, which is taken back when it meets them again.

Each returns when all members are there again and one of them is the primary.
"""

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pymongo.errors import PyMongoError

from tests.services.mongo import Set
from tests.support.waiting import until

_WITHIN_SEC = 40.0
_STEP_SEC = 0.05
_DOWN_SEC = 4
"""How long who stepped down may not be elected again."""


def settled(of: Set) -> None:
    """Wait until one member is the primary and the others go with it."""

    def stands() -> bool:
        states = sorted(of.states())
        return states == ["primary", *["secondary"] * (len(states) - 1)]

    until(stands, f"all members of the set are there; logs in {of.folder}", _WITHIN_SEC, _STEP_SEC)


def primary(of: Set, but: int | None = None) -> int:
    """Which member is the primary, once there is one; `but`: another than that, which may be dead or frozen."""
    others = [member for member in range(len(of.ports)) if member != but]

    def found() -> list[int]:
        return [member for member in others if of.state(member) == "primary"]

    (one, *_) = until(found, f"there is a primary; logs in {of.folder}", _WITHIN_SEC, _STEP_SEC)
    return one


def step_down(of: Set) -> None:
    """The primary gives up its place, and another one takes it."""
    old = primary(of)
    with suppress(PyMongoError):
        of.ask(old, {"replSetStepDown": _DOWN_SEC, "secondaryCatchUpPeriodSecs": 3, "force": True})
    primary(of, but=old)
    settled(of)


def kill(of: Set) -> None:
    """kill -9 of the primary, which comes back when another one has its place."""
    old = primary(of)
    of.kill(old)
    primary(of, but=old)
    of.start()
    settled(of)


def freeze(of: Set, passes: Callable[[], None]) -> None:
    """SIGSTOP of the primary. It goes on, as if it still were one, when another one has its place and `passes` is
    over."""
    old = primary(of)
    of.send(old, signal.SIGSTOP)
    try:
        primary(of, but=old)
        passes()
    finally:
        of.send(old, signal.SIGCONT)
    settled(of)


def write_in_minority(of: Set, passes: Callable[[], None]) -> None:
    """The primary writes what no other member gets, then freezes, and another one takes its place without that. When it
    goes on it has to take back what it wrote. `passes`: for how long it writes, after the first such write."""
    old = primary(of)
    others = [member for member in range(len(of.ports)) if member != old]
    before = _rollbacks(of, old)
    try:
        for member in others:
            _copying(of, member, stopped=True)
        until(lambda: _holds_alone(of, old), "the primary has written something", _WITHIN_SEC, _STEP_SEC)
        passes()
        of.send(old, signal.SIGSTOP)
    finally:
        for member in others:
            _copying(of, member, stopped=False)
    try:
        primary(of, but=old)
    finally:
        of.send(old, signal.SIGCONT)
    until(lambda: _rollbacks(of, old) > before, "what no other had is taken back", _WITHIN_SEC, _STEP_SEC)
    settled(of)


def step_down_for_one_behind(of: Set, passes: Callable[[], None]) -> None:
    """The primary gives up its place to one that has all, and for a while does not know that a majority has it: until
    `passes` is over twice, once before and once after, it shows nothing of that to those who read what a majority
    has."""
    old = primary(of)
    others = [member for member in range(len(of.ports)) if member != old]
    try:
        for member in others:
            _showing(of, member, stopped=True)
        passes()
        with suppress(PyMongoError):
            of.ask(old, {"replSetStepDown": _DOWN_SEC, "secondaryCatchUpPeriodSecs": 3, "force": True})
        primary(of, but=old)
        passes()
    finally:
        for member in others:
            _showing(of, member, stopped=False)
    settled(of)


def _showing(of: Set, member: int, *, stopped: bool) -> None:
    """Whether it follows up what a majority has, for those who read that; by a fail point of MongoDB's own."""
    of.ask(member, {"configureFailPoint": "disableSnapshotting", "mode": "alwaysOn" if stopped else "off"})


def _copying(of: Set, member: int, *, stopped: bool) -> None:
    """Whether it copies what the primary writes, by a fail point of MongoDB's own; it is heard and elected all the
    same."""
    of.ask(member, {"configureFailPoint": "stopReplProducer", "mode": "alwaysOn" if stopped else "off"})


def _holds_alone(of: Set, member: int) -> bool:
    """Whether it has written what it does not know a majority to hold."""
    optimes: dict[str, Any] = of.ask(member, {"replSetGetStatus": 1})["optimes"]
    return bool(optimes["appliedOpTime"]["ts"] > optimes["lastCommittedOpTime"]["ts"])


def _rollbacks(of: Set, member: int) -> int:
    """How often it has taken something back, counted from anywhere; 0 while it cannot say."""
    try:
        return int(of.ask(member, {"replSetGetRBID": 1}, 2000)["rbid"])
    except PyMongoError:
        return 0
