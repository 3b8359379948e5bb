"""MongoDB's primary goes, again and again, and the Redis beside it: under two servers, at which jobs come, run, are
followed and cancelled."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.services import members
from tests.support.cases.homes import InSetOfThree
from tests.support.cases.load import Load, planned
from tests.support.cases.world import World, must_be, untouched, whole
from tests.support.hints import Eavesdropper
from tests.support.waiting import until


def failovers(world: World, ways: Sequence[str] = ()) -> None:
    """It costs no job anything but time: no attempt is used up, and nobody is told what a minority alone had. `ways`:
    which, one after the other; all, in any order, if none is named."""
    rng, home = world.rng, world.home
    assert isinstance(home, InSetOfThree)
    ways = ways or _shuffled(world, list(_WAYS))
    beside = _shuffled(world, list(_BESIDE))
    pauses = [rng.uniform(0.2, 0.8) for _ in ways]
    lasts = [rng.uniform(0.2, 1.5) for _ in ways]
    over = sum(pauses) + 2.5 * len(ways)
    plans = [planned(world, round(1.5 * over), over=over, cancels=0.3, follows=0.3, longest=20) for _ in range(2)]
    with ThreadPoolExecutor(1) as meanwhile:
        one = meanwhile.submit(world.worker, "one", slots=4)
        other = world.beside()
        world.worker("two", slots=4, at=other)
        one.result()
    urls = (world.server.url, other.url)
    with Eavesdropper(home.redis.url) as heard, Load(world, plans[0], *urls), Load(world, plans[1], *reversed(urls)):
        for number, (way, pause, last) in enumerate(zip(ways, pauses, lasts, strict=True)):
            until(world.ledger.unended, "a job runs", within=40)
            world.passes(pause)
            redis = beside[number % len(beside)]
            world.fault(f"{way}; {redis}")
            _BESIDE[redis](world, home, heard)
            _WAYS[way](world, home, last)
            if not home.redis.running:
                home.redis.start()
    stored = world.settle()
    must_be(stored, untouched, "each ran once, and its lease was never over")
    must_be(stored, whole, "all output of what ended by itself is there")


def _shuffled(world: World, names: list[str]) -> list[str]:
    return world.rng.sample(names, len(names))


def _steps_down(_world: World, home: InSetOfThree, _last: float) -> None:
    members.step_down(home.set)


def _is_killed(_world: World, home: InSetOfThree, _last: float) -> None:
    members.kill(home.set)


def _is_frozen(world: World, home: InSetOfThree, last: float) -> None:
    members.freeze(home.set, lambda: world.passes(last))


def _writes_alone(world: World, home: InSetOfThree, last: float) -> None:
    members.write_in_minority(home.set, lambda: world.passes(last))


def _is_behind(world: World, home: InSetOfThree, last: float) -> None:
    members.step_down_for_one_behind(home.set, lambda: world.passes(last / 2))


_WAYS: dict[str, Callable[[World, InSetOfThree, float], None]] = {
    "the primary steps down": _steps_down,
    "kill -9 of the primary": _is_killed,
    "SIGSTOP of the primary": _is_frozen,
    "the primary writes alone, and then is frozen": _writes_alone,
    "the primary steps down for one that is behind": _is_behind,
}


def _forgets(_world: World, home: InSetOfThree, _heard: Eavesdropper) -> None:
    home.redis.flush()


def _goes(_world: World, home: InSetOfThree, _heard: Eavesdropper) -> None:
    home.redis.kill()


def _comes_anew(_world: World, home: InSetOfThree, _heard: Eavesdropper) -> None:
    home.redis.kill()
    home.redis.start()


def _says_again(world: World, _home: InSetOfThree, heard: Eavesdropper) -> None:
    heard.say_again(world.rng)


_BESIDE: dict[str, Callable[[World, InSetOfThree, Eavesdropper], None]] = {
    "Redis forgets all": _forgets,
    "kill -9 of Redis, until MongoDB is back": _goes,
    "Redis is killed and started again": _comes_anew,
    "old hints are heard again": _says_again,
}
