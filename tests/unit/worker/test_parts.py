"""Which of the waiting jobs start beside those that run: their parts fit, and nobody waits for ever."""

from pathlib import Path

import pytest

from cmdexec.clock import SystemClock
from cmdexec.model import attempt as model
from cmdexec.protocol.messages import Assignment
from cmdexec.worker.capacity import Capacity
from cmdexec.worker.held import HeldAttempt
from cmdexec.worker.parts import Parts
from cmdexec.worker.polling_orders import free_slots
from cmdexec.worker.slots import Slots
from tests.support.worker import job_id, spool_in

PATIENCE = 10.0


class Waiting:
    """Slots with room for many jobs on a machine of 4 cores and 1000 MB; jobs are named by number."""

    def __init__(self, folder: Path) -> None:
        self.spool, _ = spool_in(folder)
        self.slots = Slots(100, Parts(Capacity(4.0, 1000), PATIENCE), ahead_max=0, patience_sec=1.0)
        self.held: dict[int, HeldAttempt] = {}

    def wait(self, number: int, cpu: float | None = None, ram_mb: int | None = None) -> None:
        assignment = Assignment(job_id=job_id(number), attempt=1, command="true", cpu=cpu, ram_mb=ram_mb)
        record = model.received(assignment.job_id, 1, requeue=False).record
        held = self.held[number] = HeldAttempt(record, self.spool.begin(f"{number}", None), assignment)
        self.slots.wait(held)

    def start(self, now: float = 0.0) -> set[int]:
        """Those that start now, and run from now on."""
        chosen = self.slots.to_ask(now)
        for held in chosen:
            assert self.slots.grant(held)
        assert set(map(id, self.slots.to_run())) == set(map(id, chosen))
        return {number for number, held in self.held.items() if held in chosen}

    def end(self, number: int, now: float = 0.0) -> None:
        self.slots.ended(self.held[number], now)


@pytest.fixture
def waiting(tmp_path: Path) -> Waiting:
    return Waiting(tmp_path)


def test_jobs_start_while_their_parts_fit_together(waiting: Waiting) -> None:
    waiting.wait(1, cpu=1.5)
    waiting.wait(2, cpu=2.5, ram_mb=400)
    waiting.wait(3, cpu=0.1)
    waiting.wait(4, ram_mb=600)
    waiting.wait(5)
    assert waiting.start() == {1, 2, 4, 5}
    waiting.end(1)
    assert waiting.start() == {3}


def test_tenths_of_a_core_add_up_to_one(waiting: Waiting) -> None:
    for number in range(41):
        waiting.wait(number, cpu=0.1)
    assert len(waiting.start()) == 40


def test_what_is_given_back_before_it_runs_takes_no_part_any_more(waiting: Waiting) -> None:
    waiting.wait(1, cpu=4)
    waiting.wait(2, cpu=4)
    [asked] = waiting.slots.to_ask(0.0)
    waiting.slots.leave(asked)
    assert waiting.start() == {2}


def test_smaller_ones_pass_a_large_one_for_a_while_and_then_wait_for_it(waiting: Waiting) -> None:
    waiting.wait(1, cpu=3)
    assert waiting.start() == {1}
    waiting.wait(2, cpu=4)
    waiting.wait(3, cpu=1)
    assert waiting.start() == {3}
    waiting.end(3)
    waiting.wait(4, cpu=1)
    assert waiting.start(PATIENCE + 1) == set()
    waiting.end(1)
    assert waiting.start(PATIENCE + 1) == {2}
    waiting.end(2)
    assert waiting.start(PATIENCE + 1) == {4}


def test_a_large_one_that_can_never_start_beside_a_job_without_end_blocks_the_others_by_turns(waiting: Waiting) -> None:
    waiting.wait(1, cpu=3)
    waiting.start()
    waiting.wait(2, cpu=4)
    assert waiting.start(0.0) == set()
    turns = [(5, True), (12, False), (29, False), (31, True), (69, True), (71, False), (149, False), (151, True)]
    for number, (second, passes) in enumerate(turns, start=10):
        waiting.wait(number, cpu=1)
        started = waiting.start(second)
        assert bool(started) == passes, second
        for one in started:
            waiting.end(one)


def test_a_large_one_starts_in_the_end_however_many_small_ones_come(waiting: Waiting) -> None:
    """Each runs for 25 s, and there is always another one: in a long enough turn of its own all of them end."""
    waiting.wait(1, cpu=4)
    waiting.wait(0, cpu=1)
    running: dict[int, float] = {}
    number = 2
    waiting.slots.parts.capacity = Capacity(1.0, 1000)  # so that one small one runs already
    running.update(dict.fromkeys(waiting.start(), 25.0))
    waiting.slots.parts.capacity = Capacity(4.0, 1000)
    for second in range(200):
        for one in [one for one, end in running.items() if end <= second]:
            waiting.end(one, second)
            del running[one]
        waiting.wait(number := number + 1, cpu=1)
        started = waiting.start(second)
        if 1 in started:
            return
        running.update(dict.fromkeys(started, second + 25.0))
    pytest.fail("it never started")


def test_jobs_that_name_no_part_are_held_up_by_nobody(waiting: Waiting) -> None:
    waiting.wait(1, cpu=3)
    waiting.start()
    waiting.wait(2, cpu=4)
    waiting.start()
    waiting.wait(3)
    assert waiting.start(PATIENCE + 1) == {3}


def test_it_is_known_when_the_next_turn_begins(waiting: Waiting) -> None:
    next_turn = waiting.slots.parts.next_turn
    waiting.wait(1, cpu=3)
    waiting.start()
    assert next_turn(0.0) is None
    waiting.wait(2, cpu=4)
    waiting.start(1.0)
    assert next_turn(1.0) == 1.0 + PATIENCE
    assert next_turn(1.0 + PATIENCE) is None, "nobody is to look for a turn that is over again and again"
    waiting.start(1.0 + PATIENCE)
    assert next_turn(1.0 + PATIENCE) == 1.0 + 3 * PATIENCE
    waiting.end(1)
    waiting.start(2.0)
    assert next_turn(2.0) is None


def test_a_worker_that_polls_asks_for_others_beside_those_that_wait_for_their_part(waiting: Waiting) -> None:
    waiting.slots.size = 4
    waiting.wait(0, cpu=4)
    waiting.start()
    for number in range(1, 4):
        waiting.wait(number, cpu=1)
    waiting.start()

    def free() -> int:
        held = {one.key: one for one in waiting.held.values()}
        return free_slots(held, waiting.slots, SystemClock())

    assert free() == 3
    for number in range(4, 8):
        waiting.wait(number, cpu=1)
    assert free() == 0, "as many may wait so as there are slots"
    waiting.end(0)
    assert waiting.slots.parts.crowded == 0
