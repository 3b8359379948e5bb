"""The simulation is tested: bugs that are planted here it finds, and tells the shortest story of them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from cmdexec.model.lease import Watch
from cmdexec.store.contract.jobs_write import Applied
from cmdexec.store.sqlite.jobs_write import SqliteJobWrites
from cmdexec.worker.sender import Sender
from tests.sim.whole.loop import time_passes
from tests.sim.whole.plan import Fault, plan
from tests.sim.whole.run import run, shortest, story_of


@contextmanager
def acknowledged_before_commit() -> Iterator[None]:
    """A change is answered before it is written; a server that is killed in between has lost it."""
    whole = SqliteJobWrites.apply

    async def apply(self: SqliteJobWrites, writes: Any) -> Any:
        async def later() -> None:
            await time_passes(0.2)
            await whole(self, writes)

        if not any(write.closes for write in writes):
            return await whole(self, writes)
        asyncio.get_running_loop().create_task(later())
        return [Applied(write.job) for write in writes]

    with patch.object(SqliteJobWrites, "apply", apply):
        yield


@contextmanager
def spool_freed_early() -> Iterator[None]:
    """Output leaves the spool when it is sent."""
    whole = Sender._send

    async def send(self: Sender, line: Any, held: Any, room: int) -> None:
        await whole(self, line, held, room)
        self._spool.ack(held.spooled, held.spooled.stdout.sent, held.spooled.stderr.sent)

    with patch.object(Sender, "_send", send):
        yield


@contextmanager
def no_amnesty() -> Iterator[None]:
    """A server that was stopped judges leases as soon as it goes on."""

    def turned(before: Watch, now: float, *_: float) -> Watch:
        return Watch(now, before.judged_from)

    with patch("cmdexec.server.maintenance.leases.turned", turned):
        yield


FROZEN = (Fault(9.0, "freeze server", 0, 9.0),)
"""Long enough for every lease to be over by the clock."""

BUGS = {
    acknowledged_before_commit: [plan(seed) for seed in range(1, 60)],
    spool_freed_early: [plan(seed) for seed in range(1, 60)],
    no_amnesty: [replace(plan(seed), faults=FROZEN) for seed in range(1, 30)],
}
"""Each with the plans in which it is looked for: a random one among them meets it."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found_and_its_story_is_short(bug: Callable[[], AbstractContextManager[None]]) -> None:
    with bug():
        outcome = next((one for one in map(run, BUGS[bug]) if one.violation is not None), None)
        assert outcome is not None, "no plan has found it"
        less = shortest(outcome.plan)
        assert run(less).violation is not None
        for part in ("faults", "jobs"):
            for one in getattr(less, part):
                rest = replace(less, **{part: tuple(other for other in getattr(less, part) if other is not one)})
                assert not rest.jobs or run(rest).violation is None, f"{one} is not needed"
        story = story_of(replace(outcome, plan=less))
    assert run(outcome.plan).violation is None, "it goes wrong without the bug"
    assert story.splitlines()[0].startswith(f"seed {outcome.plan.seed}: job ")
    assert f"--first {outcome.plan.seed} --seeds 1" in story
    assert "begins" in story
    assert "→ server: " in story


def test_a_seed_is_a_run_to_the_last_frame() -> None:
    what = plan(14)
    assert what.faults
    one, again = run(what, story=True), run(what, story=True)
    assert one.violation is None
    assert any("→" in who for _, who, _, _ in one.told.lines)
    assert (one.told.lines, one.seen, one.lasted) == (again.told.lines, again.seen, again.lasted)
