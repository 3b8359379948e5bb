"""Hints inside one process: heard at once, by those who listen for their kind, and never the reason of a failure."""

import logging

import pytest

from cmdexec.log import Log
from cmdexec.notify.contract import Hint, JobsChanged, JobsWaiting, Notify, Revoked
from cmdexec.notify.local import LocalNotify


@pytest.fixture
def notify() -> LocalNotify:
    return LocalNotify(Log("cmdexec.test"))


def test_every_listener_of_the_kind_hears_each_hint_before_publish_returns(notify: LocalNotify) -> None:
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


def test_a_hint_that_nobody_listens_for_is_dropped(notify: LocalNotify) -> None:
    notify.publish(Revoked(jti="1"))


def test_a_listener_that_ended_hears_no_more_and_may_end_twice(notify: LocalNotify) -> None:
    heard: list[Hint] = []
    kept: list[Hint] = []
    end = notify.listen(JobsWaiting, heard.append)
    notify.listen(JobsWaiting, kept.append)
    end()
    end()
    notify.publish(JobsWaiting())
    assert (heard, kept) == ([], [JobsWaiting()])


def test_the_same_listener_may_listen_twice_and_end_once(notify: LocalNotify) -> None:
    heard: list[Hint] = []
    end = notify.listen(JobsWaiting, heard.append)
    notify.listen(JobsWaiting, heard.append)
    notify.publish(JobsWaiting())
    end()
    end()
    notify.publish(JobsWaiting())
    assert len(heard) == 3


def test_a_listener_that_fails_is_logged_and_stops_neither_the_others_nor_the_publisher(
    notify: LocalNotify, caplog: pytest.LogCaptureFixture
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


def test_a_listener_may_end_itself_or_add_another_while_it_hears(notify: LocalNotify) -> None:
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


async def test_nothing_is_heard_after_closing(notify: LocalNotify) -> None:
    heard: list[Hint] = []
    end = notify.listen(JobsWaiting, heard.append)
    await notify.close()
    await notify.close()
    notify.publish(JobsWaiting())
    end()
    assert heard == []


def test_it_is_what_the_contract_asks_for(notify: LocalNotify) -> None:
    kept: Notify = notify
    assert kept is notify
