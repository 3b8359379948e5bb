"""Hints: heard at once by those of the same server who listen for their kind, and soon by those of the others, once
each and in order; never the reason of a failure."""

import logging
from collections.abc import AsyncIterator

import msgspec
import pytest

from cmdexec.notify.contract import (
    Hint,
    JobsChanged,
    JobsWaiting,
    Notify,
    OutputGrew,
    Revoked,
    TellWorker,
    There,
    WorkerChanged,
    WorkerJoined,
    WorkersThere,
)
from tests.contract.notifiers import NOTIFIERS
from tests.support.waiting import becomes

FOR_OTHERS: list[Hint] = [
    JobsWaiting(("a", "b"), "list"), JobsWaiting(), JobsChanged(("j1", "j2")), OutputGrew("j1", 2, "stdout", 9, b"xyz"),
    TellWorker("w1", "cancel", (("j1", 2), ("j2", 1))), Revoked(jti="t1"), Revoked(user_id="u1", spares="t2"),
    Revoked(worker_id="w1"), WorkerChanged("w1"), WorkerJoined("w1", "here"),
    WorkersThere("here", (There("w1", 4, 2, 1, takes=True, able=True, ready=False, free=(1.5, None)),), ("w2",)),
]  # fmt: skip


@pytest.fixture(params=sorted(NOTIFIERS))
async def servers(request: pytest.FixtureRequest) -> AsyncIterator[list[Notify]]:
    async with NOTIFIERS[request.param]() as servers:
        yield servers


@pytest.fixture
def notify(servers: list[Notify]) -> Notify:
    return servers[0]


def named(hint: Hint) -> Hint:
    """What of it counts for a server that is not the one that said it."""
    match hint:
        case JobsChanged(job_ids=job_ids):
            return JobsChanged(job_ids)
        case OutputGrew():
            return msgspec.structs.replace(hint, data=b"")
        case JobsWaiting(klasses=klasses):
            return JobsWaiting(klasses)
        case TellWorker() | Revoked():
            return msgspec.structs.replace(hint, sure=False)
        case _:
            return hint


async def test_others_hear_each_hint_once_and_in_order_as_far_as_it_concerns_them(servers: list[Notify]) -> None:
    here, there = servers
    heard: list[Hint] = []
    for kind in {type(hint) for hint in FOR_OTHERS}:
        there.listen(kind, heard.append)
    for hint in FOR_OTHERS:
        here.publish(hint)
    here.publish(WorkerChanged("last"))
    await becomes(lambda: WorkerChanged("last") in heard, "the last one is heard")
    assert [named(hint) for hint in heard] == [named(hint) for hint in [*FOR_OTHERS, WorkerChanged("last")]]


async def test_who_says_it_hears_it_once_also_after_others_heard_it(servers: list[Notify]) -> None:
    here, there = servers
    mine: list[Hint] = []
    theirs: list[Hint] = []
    here.listen(WorkerChanged, mine.append)
    there.listen(WorkerJoined, theirs.append)
    here.publish(WorkerChanged("w1"))
    assert mine == [WorkerChanged("w1")]
    here.publish(WorkerJoined("w1", "here"))
    await becomes(lambda: theirs, "the other one hears what came after it")
    there.publish(WorkerChanged("w2"))
    await becomes(lambda: len(mine) > 1, "the answer is heard")
    assert mine == [WorkerChanged("w1"), WorkerChanged("w2")]


async def test_many_jobs_at_once_are_all_named_to_others(servers: list[Notify]) -> None:
    here, there = servers
    heard: list[str] = []
    there.listen(JobsChanged, lambda hint: heard.extend(hint.job_ids))
    ids = tuple(f"01936f0e-4f2a-7001-9c3f-{number:012d}" for number in range(5000))
    here.publish(JobsChanged(ids))
    await becomes(lambda: len(heard) >= len(ids), "all are named")
    assert tuple(heard) == ids


async def test_every_listener_of_the_kind_hears_each_hint_before_publish_returns(notify: Notify) -> None:
    first: list[Hint] = []
    second: list[Hint] = []
    others: list[Hint] = []
    notify.listen(JobsWaiting, first.append)
    notify.listen(JobsWaiting, second.append)
    notify.listen(JobsChanged, others.append)
    said = [JobsWaiting(("a",)), JobsWaiting()]
    for hint in said:
        notify.publish(hint)
    assert (first, second, others) == (said, said, [])


async def test_a_hint_that_nobody_listens_for_is_dropped(notify: Notify) -> None:
    notify.publish(Revoked(jti="1"))


async def test_a_listener_that_ended_hears_no_more_and_may_end_twice(notify: Notify) -> None:
    heard: list[Hint] = []
    kept: list[Hint] = []
    end = notify.listen(JobsWaiting, heard.append)
    notify.listen(JobsWaiting, kept.append)
    end()
    end()
    notify.publish(JobsWaiting())
    assert (heard, kept) == ([], [JobsWaiting()])


async def test_the_same_listener_may_listen_twice_and_end_once(notify: Notify) -> None:
    heard: list[Hint] = []
    end = notify.listen(JobsWaiting, heard.append)
    notify.listen(JobsWaiting, heard.append)
    notify.publish(JobsWaiting())
    end()
    end()
    notify.publish(JobsWaiting())
    assert len(heard) == 3


async def test_a_listener_that_fails_is_logged_and_stops_neither_the_others_nor_the_publisher(
    notify: Notify, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Hint] = []

    def fail(hint: JobsWaiting) -> None:
        raise RuntimeError("a bug")

    notify.listen(JobsWaiting, fail)
    notify.listen(JobsWaiting, heard.append)
    with caplog.at_level(logging.ERROR, logger="cmdexec.test"):
        notify.publish(JobsWaiting())
    assert heard == [JobsWaiting()]
    assert [record.getMessage() for record in caplog.records] == ["a listener failed"]


async def test_a_listener_may_end_itself_or_add_another_while_it_hears(notify: Notify) -> None:
    heard: list[str] = []

    def once(hint: JobsWaiting) -> None:
        heard.append("once")
        end()
        notify.listen(JobsWaiting, lambda _: heard.append("added"))

    end = notify.listen(JobsWaiting, once)
    notify.listen(JobsWaiting, lambda _: heard.append("after"))
    notify.publish(JobsWaiting())
    assert heard == ["once", "after"]
    notify.publish(JobsWaiting())
    assert heard == ["once", "after", "after", "added"]


async def test_nothing_is_heard_after_closing(notify: Notify) -> None:
    heard: list[Hint] = []
    end = notify.listen(JobsWaiting, heard.append)
    await notify.close()
    await notify.close()
    notify.publish(JobsWaiting())
    end()
    assert heard == []
