"""Each operation that changes something, each way it is reached, and a case of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from cmdexec.protocol.operations import BY_NAME, FRAMES, ROUTES
from cmdexec.protocol.watching import UP
from tests.support.cases.again import calls, frames, people
from tests.support.cases.again.scene import Scene, Way
from tests.support.cases.world import World, must_be
from tests.support.recorder import SILENCE

Named = tuple[Way, str]

LEASE_SEC = 20.0
"""So long that none is over: these workers are silent between what they say."""

SERVER = {"LOGIN_TRIES": "1000", "RATE_LIMIT_MAX_REGISTER": "1000", "RATE_LIMIT_MAX_HEARTBEAT": "1000"}

_GIVES = "attempts.claim"
"""It gives jobs away, though it has no effect that a cookie would have to be guarded for."""

_ONLY_LOOKS = {"watch", "unwatch"}


def changing() -> list[Named]:
    """All, by what is declared: routes by their operation, frames by their name."""
    routes = [route.operation for route in ROUTES if BY_NAME[route.operation].effect or route.operation == _GIVES]
    told: list[Named] = [("http", operation) for operation in routes]
    told += [("frame", op) for op in FRAMES]
    return [*told, *(("person's frame", op) for op in UP if op not in _ONLY_LOOKS)]


def _spoken(case: Callable[[Scene], Coroutine[Any, Any, None]]) -> Callable[[Scene], None]:
    return lambda scene: asyncio.run(case(scene))


CASES: dict[Named, Callable[[Scene], None]] = {
    ("http", "auth.login"): people.login,
    ("http", "auth.logout"): people.logout,
    ("http", "auth.password"): people.password,
    ("http", "jobs.create"): people.create,
    ("http", "jobs.cancel"): people.cancel,
    ("http", "jobs.rerun"): people.rerun,
    ("http", "jobs.requeue"): people.requeue,
    ("http", "workers.change"): people.change_worker,
    ("http", "workers.revoke"): people.revoke_worker,
    ("http", "workers.join"): people.join,
    ("http", "join_tokens.create"): people.create_token,
    ("http", "join_tokens.revoke"): people.revoke_token,
    ("http", "users.create"): people.create_user,
    ("http", "users.change"): people.change_user,
    ("http", "workers.register"): calls.register,
    ("http", "workers.heartbeat"): calls.heartbeat,
    ("http", "attempts.claim"): calls.claim,
    ("http", "attempts.output"): calls.output,
    ("http", "attempts.done"): calls.done,
    ("frame", "register"): _spoken(frames.register),
    ("frame", "heartbeat"): _spoken(frames.heartbeat),
    ("frame", "start"): _spoken(frames.start),
    ("frame", "released"): _spoken(frames.released),
    ("frame", "output"): _spoken(frames.output),
    ("frame", "done"): _spoken(frames.done),
    ("person's frame", "submit"): _spoken(frames.submit),
}


def every_reply_lost(world: World) -> None:
    """Each once, in an order that the seed gives; what is asked again changes nothing, or is answered as before. One
    that goes wrong keeps none of the others from being tried."""
    order = changing()
    world.rng.shuffle(order)
    scene, wrong = Scene(world), []
    for named in order:
        try:
            CASES[named](scene)
        except (AssertionError, *SILENCE) as failure:
            wrong.append(f"{' '.join(named)}: {failure!r}")
    scene.cancel_what_is_left()
    must_be(world.settle(), lambda job: len(job.ran) <= 1, "none ran twice")
    assert not wrong, wrong
