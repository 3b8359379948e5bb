"""Where what a worker without a socket is told waits: in order, bounded, and what ends a poll."""

import asyncio

import pytest

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.link.socket import Close
from cmdexec.protocol.codec import ask
from cmdexec.protocol.messages import Assignment, CancelOrder, Drain, StopOrder
from cmdexec.server.workers.mailbox import ANSWER_BYTES, Answer, Mailbox, Poll


def job(number: int, size: int = 10) -> Assignment:
    return Assignment(job_id=f"j{number}", attempt=1, command="x" * size)


def names(jobs: list[Assignment]) -> list[str]:
    return [one.job_id for one in jobs]


def put(mailbox: Mailbox, *numbers: int, size: int = 10) -> None:
    mailbox.put(ask("assign", [job(number, size) for number in numbers]))


def stop(mailbox: Mailbox, *numbers: int) -> None:
    mailbox.put(ask("stop", [StopOrder(job_id=f"j{number}", attempt=1) for number in numbers]))


def cancel(mailbox: Mailbox, *numbers: int) -> None:
    mailbox.put(ask("cancel", [CancelOrder(job_id=f"j{number}", attempt=1) for number in numbers]))


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(most_bytes=4 * ANSWER_BYTES, most_orders=3)


def test_jobs_are_taken_in_their_order_and_those_put_back_come_first(mailbox: Mailbox) -> None:
    put(mailbox, 1, 2, 3)
    taken = mailbox.take(2)
    assert names(taken) == ["j1", "j2"]
    assert not mailbox.has("j1", 1)
    mailbox.put_back(taken)
    assert names(mailbox.take(9)) == ["j1", "j2", "j3"]
    assert mailbox.take(9) == []


def test_an_answer_holds_a_megabyte_or_one_larger_job(mailbox: Mailbox) -> None:
    put(mailbox, 1, 2, 3, size=ANSWER_BYTES // 2 + 1)
    assert names(mailbox.take(9)) == ["j1"]
    put(mailbox, 4, size=ANSWER_BYTES * 2)
    assert [names(mailbox.take(9)) for _ in range(3)] == [["j2"], ["j3"], ["j4"]]


async def test_there_is_room_until_half_of_it_is_full(mailbox: Mailbox) -> None:
    assert mailbox.has_room(99 * ANSWER_BYTES), "where nothing waits, there is room for all"
    put(mailbox, 1, size=ANSWER_BYTES)
    assert mailbox.has_room(ANSWER_BYTES // 2)
    assert not mailbox.has_room(ANSWER_BYTES)
    waits = asyncio.ensure_future(mailbox.room(ANSWER_BYTES))
    await asyncio.sleep(0)
    assert not waits.done()
    mailbox.take(1)
    await asyncio.wait_for(waits, 5)
    put(mailbox, 2, size=ANSWER_BYTES)
    waits = asyncio.ensure_future(mailbox.room(2 * ANSWER_BYTES))
    await asyncio.sleep(0)
    mailbox.close(Close.GOING_AWAY, "It left.")
    with pytest.raises(Unavailable):
        await asyncio.wait_for(waits, 5)


def test_orders_wait_once_each_and_the_oldest_is_dropped(mailbox: Mailbox) -> None:
    stop(mailbox, 1, 2)
    cancel(mailbox, 3, 2, 4)
    assert mailbox.take_orders() == ([], [("j3", 1), ("j2", 1), ("j4", 1)])
    assert mailbox.take_orders() == ([], [])


def test_what_was_never_given_is_not_stopped_but_forgotten(mailbox: Mailbox) -> None:
    put(mailbox, 1, 2)
    stop(mailbox, 1, 3)
    assert names(mailbox.take(9)) == ["j2"]
    assert mailbox.take_orders() == ([("j3", 1)], [])


@pytest.mark.parametrize(
    ("claim", "most", "by_job", "by_order"),
    [("a", 1, True, True), ("a", 0, False, True), (None, 1, True, False), (None, 0, False, True)],
)
def test_what_ends_a_poll(mailbox: Mailbox, claim: str | None, most: int, by_job: bool, by_order: bool) -> None:
    for what, ends in ((put, by_job), (stop, by_order), (cancel, by_order)):
        for before in (True, False):
            poll = Poll(claim, most)
            if before:
                what(mailbox, 7)
                mailbox.open(poll)
            else:
                mailbox.open(poll)
                assert not poll.over.is_set()
                what(mailbox, 7)
            assert poll.over.is_set() == ends, (what, before)
            mailbox.leave(poll)
            mailbox.take(9)
            mailbox.take_orders()


def test_jobs_are_wanted_while_a_poll_has_none(mailbox: Mailbox) -> None:
    assert mailbox.wanted == 0
    poll = Poll(None, 4)
    mailbox.open(poll)
    assert mailbox.wanted == 4
    put(mailbox, 1)
    assert mailbox.wanted == 0
    mailbox.leave(poll)
    mailbox.open(Poll(None, 2))
    assert (mailbox.wanted, names(mailbox.take(2))) == (0, ["j1"])


def test_a_second_poll_ends_the_first_and_only_its_own_leaving_counts(mailbox: Mailbox) -> None:
    first, second = Poll(None, 1), Poll(None, 1)
    mailbox.open(first)
    mailbox.open(second)
    assert (first.over.is_set(), second.over.is_set()) == (True, False)
    mailbox.leave(first)
    assert mailbox.poll is second


def test_only_one_that_does_not_wait_ends_when_all_was_looked_at(mailbox: Mailbox) -> None:
    for brief in (True, False):
        poll = Poll(None, 1, brief=brief)
        mailbox.open(poll)
        mailbox.looked()
        assert poll.over.is_set() == brief


@pytest.mark.parametrize(("code", "why"), [(Close.FORBIDDEN, "forbidden"), (Close.REPLACED, None)])
def test_its_end_ends_the_poll_and_forgets_the_rest(mailbox: Mailbox, code: int, why: str | None) -> None:
    put(mailbox, 1)
    poll = Poll(None, 0)
    mailbox.open(poll)
    mailbox.close(code, "It is over.")
    mailbox.close(Close.INTERNAL, "Twice.")
    assert poll.over.is_set()
    assert getattr(poll.why, "code", None) == why
    put(mailbox, 2)
    mailbox.put_back([job(1)])
    assert mailbox.take(9) == []
    late = Poll(None, 1)
    mailbox.open(late)
    assert late.over.is_set()


def test_a_drain_ends_the_poll_with_a_reason(mailbox: Mailbox) -> None:
    poll = Poll("a", 1)
    mailbox.open(poll)
    mailbox.put(ask("drain", [Drain()]))
    assert isinstance(poll.why, CmdexecError)
    assert poll.why.code == "draining"


def test_the_last_two_answers_are_kept_and_their_orders_said_again_a_few_times(mailbox: Mailbox) -> None:
    for claim in ("a", "b", "c"):
        mailbox.answered(claim, Answer([], [("j1", 1)], [("j2", 1)]))
    assert mailbox.answer("a") is None
    assert mailbox.answer("b") is not None
    kept = mailbox.answer("c")
    assert kept is not None
    said = [kept.orders_again() for _ in range(9)]
    assert said[0] == ([("j1", 1)], [("j2", 1)])
    assert said[-1] == ((), ()), "who has only one claim is not answered at once for ever"
