"""A worker without a socket asks for jobs: what it is given, when, and that the same claim gives the same again."""

import itertools
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.poller import Poller
from tests.support.server import Running, running
from tests.support.speaker import speaking
from tests.support.system import workers
from tests.support.waiting import holds, until

NAMES = itertools.count(1)
MADE: list[str] = []


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of its own: what waits there is for the worker of the test."""
    with running(tmp_path_factory.mktemp("polled")) as run:
        yield run


@pytest.fixture
def worker(polled: Running) -> Iterator[Poller]:
    """One that has registered, with two slots. What was submitted is cancelled at its end."""
    one = Poller(polled, f"poller-{next(NAMES)}")
    one.register(2)
    MADE.clear()
    yield one
    for job_id in MADE:
        polled.api().cancel(job_id)


def new(run: Running, count: int = 1) -> list[str]:
    ids = run.api().create_many([{"command": "true"}] * count)
    MADE.extend(ids)
    return ids


def shown(run: Running, one: Poller) -> dict[str, object]:
    return next(found for found in workers(run.api()) if found["workerId"] == one.name)


def test_the_same_claim_gives_the_same_jobs_again(polled: Running, worker: Poller) -> None:
    first, second, third = new(polled, 3)
    jobs = worker.take(claim="a", max=2)
    assert [job["jobId"] for job in jobs] == [first, second]
    assert set(jobs[0]) == {
        "jobId", "attempt", "command", "env", "timeoutSec", "killGraceSec", "onLost", "cpu", "ramMb", "stdin",
        "container",
    }  # fmt: skip
    assert worker.take(claim="a", max=2) == jobs
    assert [job["status"] for job in polled.api().jobs([first, second, third])] == ["assigned", "assigned", "queued"]
    started = worker.beat(*jobs, start=[{"jobId": first, "attempt": 1}])["start"]
    assert [told["tell"] for told in started] == ["go"]
    assert worker.take(claim="a", max=2) == jobs[1:], "what has begun is not given again"


def test_without_a_claim_jobs_run_already(polled: Running, worker: Poller) -> None:
    (job_id,) = new(polled)
    (job,) = worker.take()
    assert (job["jobId"], polled.api().job(job_id)["status"]) == (job_id, "running")
    assert worker.poll()[0] == 204


def test_a_job_that_comes_ends_the_wait_at_once(polled: Running, worker: Poller) -> None:
    open_poll = worker.polling(wait=20, claim="b")
    until(lambda: shown(polled, worker)["state"] == "online", "it is there")
    began = time.monotonic()
    (job_id,) = new(polled)
    status, answer = open_poll.result(10)
    assert (status, answer["jobs"][0]["jobId"], answer["stop"], answer["cancel"]) == (200, job_id, [], [])
    assert time.monotonic() - began < 10, "it might have waited for twenty seconds"


def test_it_waits_as_long_as_it_says(worker: Poller) -> None:
    for asked, least, most in ((0, 0, 5), (0.6, 0.6, 6)):
        began = time.monotonic()
        assert worker.poll(wait=asked) == (204, None)
        assert least <= time.monotonic() - began < most


def test_a_second_poll_ends_the_first_and_gets_the_jobs(polled: Running, worker: Poller) -> None:
    first = worker.polling(wait=20, claim="c")
    second = worker.polling(wait=20, claim="d")
    until(lambda: first.done() or second.done(), "one has ended", 10)
    ended, still = (first, second) if first.done() else (second, first)
    assert ended.result() == (204, None)
    (job_id,) = new(polled)
    assert still.result(10)[1]["jobs"][0]["jobId"] == job_id


def test_a_poll_whose_client_went_away_takes_no_job(polled: Running, worker: Poller) -> None:
    for claim in ({"claim": "e"}, {}):
        with worker.open_poll(wait=25, **claim):
            until(lambda: shown(polled, worker)["freeSlots"] == 2, "it is there")
    (job_id,) = new(polled)
    holds(lambda: polled.api().job(job_id)["status"] == "queued", "nobody asked for it", 0.3)
    (job,) = worker.take(claim="f")
    assert (job["jobId"], job["attempt"]) == (job_id, 1)


def test_nobody_has_a_job_that_nobody_asked_for_and_nobody_more_than_it_has_slots(
    polled: Running, worker: Poller
) -> None:
    ids = new(polled, 5)
    holds(lambda: polled.api().job(ids[0])["status"] == "queued", "there is no poll", 0.3)
    until(lambda: "when it asks" in polled.api().job(ids[0])["waitingFor"], "it is said what it waits for")
    assert len(worker.take(claim="g", max=8)) == 2
    assert worker.poll(claim="h", max=8) == (204, None)
    assert shown(polled, worker)["transport"] == "polling"
    assert shown(polled, worker)["freeSlots"] == 0


@pytest.mark.usefixtures("worker")
def test_each_of_many_that_wait_gets_its_job(polled: Running) -> None:
    waiting = []
    with ExitStack() as stack:
        for number in range(48):
            one = Poller(polled, f"one-of-many-{number}")
            one.register()
            waiting.append(stack.enter_context(one.open_poll(wait=25, **({"claim": "x"} if number % 2 else {}))))
        assert polled.api().ask("GET", "/api/health")["status"] == "healthy"
        ids = new(polled, 48)
        answers = [read_answer(connection) for connection in waiting]
    given = [job["jobId"] for answer in answers for job in answer["jobs"]]
    assert sorted(given) == sorted(ids)
    assert {len(answer["jobs"]) for answer in answers} == {1}


def read_answer(connection: socket.socket) -> dict[str, list[dict[str, object]]]:
    got = b""
    while not got.endswith(b"}"):
        piece = connection.recv(65536)
        assert piece, got
        got += piece
    answer: dict[str, list[dict[str, object]]] = json.loads(got.partition(b"\r\n\r\n")[2])
    return answer


def test_a_head_takes_nothing(polled: Running, worker: Poller) -> None:
    (job_id,) = new(polled)
    assert worker.call("HEAD", "/api/jobs/get-job?wait=5")[0] == 204
    assert polled.api().job(job_id)["status"] == "queued"
    assert worker.take(claim="i")[0]["jobId"] == job_id


def test_an_order_ends_the_poll_of_a_claim_at_once(polled: Running, worker: Poller) -> None:
    new(polled)
    (job,) = worker.take(claim="j")
    named = {"jobId": job["jobId"], "attempt": 1}
    worker.beat(job, start=[named])
    for max_ in (0, 1):
        orders = worker.polling(claim=f"k{max_}", max=max_, wait=20)
        holds(lambda orders=orders: not orders.done(), "there is no order", 0.2)
        polled.api().cancel(job["jobId"])
        assert orders.result(5) == (200, {"jobs": [], "stop": [named], "cancel": [named]})
    assert worker.check(job) == {"stop": True, "reason": "cancelled"}
    beat = worker.beat(job)
    assert (beat["stop"], beat["cancel"], beat["held"]) == ([named], [named], [])


def test_what_is_taken_back_before_it_began_is_a_stop(polled: Running, worker: Poller) -> None:
    new(polled)
    (job,) = worker.take(claim="l")
    orders = worker.polling(claim="m", max=0, wait=20)
    holds(lambda: not orders.done(), "there is no order", 0.2)
    polled.api().cancel(job["jobId"])
    assert orders.result(5)[1]["stop"] == [{"jobId": job["jobId"], "attempt": 1}]
    assert worker.check(job) == {"stop": True, "reason": "stale"}


def test_what_one_does_not_begin_another_one_gets(polled: Running, worker: Poller) -> None:
    (job_id,) = new(polled)
    worker.take(claim="n")
    other = Poller(polled, f"poller-{next(NAMES)}")
    other.register()
    (job,) = other.take(claim="n", wait=10)
    assert (job["jobId"], job["attempt"]) == (job_id, 2)
    assert worker.beat(job | {"attempt": 1})["stop"] == [{"jobId": job_id, "attempt": 1}]


async def test_a_socket_takes_the_place_of_a_poll_and_late_calls_are_still_heard(
    polled: Running, worker: Poller
) -> None:
    new(polled)
    (job,) = worker.take(claim="o")
    open_poll = worker.polling(claim="p", wait=20)
    async with speaking(polled.url, worker.headers) as speaker:
        await speaker.ask("register", {"slots": 2})
        assert open_poll.result(5) == (204, None)
        await speaker.ask("heartbeat", {"jobs": [{"jobId": job["jobId"], "attempt": 1}]})
        assert shown(polled, worker)["transport"] == "socket"
        assert [told["tell"] for told in worker.beat(job, start=[{"jobId": job["jobId"], "attempt": 1}])["start"]] == [
            "go"
        ]
        began = time.monotonic()
        assert worker.poll(claim="q", wait=20) == (204, None)
        assert time.monotonic() - began < 5
        assert worker.result(job)[1]["status"] == "completed"
        assert speaker.closed is None
        worker.register(2)
        assert (await speaker.ended())[0] == 4409
    assert shown(polled, worker)["transport"] == "polling"


@pytest.mark.parametrize("wrong", ["wait=61", "max=257", "max=-1", "claim=", "claim=a%20b", "claim=x&claim=y", "as=1"])
def test_what_cannot_be_asked(worker: Poller, wrong: str) -> None:
    status, answer = worker.call("GET", f"/api/jobs/get-job?{wrong}")
    assert status in (400, 422)
    assert answer["error"]["field"] == wrong.partition("=")[0]


@pytest.mark.parametrize("number", ["", "-1", "1.5", "x", "9" * 16, "\u0661"])
def test_a_connection_has_a_number(polled: Running, worker: Poller, number: str) -> None:
    other = Poller(polled, worker.name, **{"x-worker-connection": number.encode().decode("latin-1")})
    status, answer = other.poll()
    assert (status, answer["error"]["code"], answer["error"]["field"]) == (422, "invalid_field", "x-worker-connection")


def test_orders_alone_need_no_claim(polled: Running, worker: Poller) -> None:
    job_id = new(polled)[0]
    (job,) = worker.take()
    orders = worker.polling(max=0, wait=20)
    polled.api().cancel(job_id)
    named = {"jobId": job_id, "attempt": 1}
    assert orders.result(10) == (200, {"jobs": [], "stop": [named], "cancel": [named]})
    worker.result(job, reason="cancelled")


def test_who_has_not_registered_is_told_to(polled: Running) -> None:
    status, answer = Poller(polled, "nobody-yet").poll()
    error = answer["error"]
    assert (status, error["code"], error["mend"]) == (409, "not_registered", "Send POST /api/workers/register first.")


def test_a_draining_server_sends_polls_away(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        worker = Poller(run, "poller")
        worker.register()
        open_poll = worker.polling(wait=20)
        until(lambda: shown(run, worker)["state"] == "online", "it is there")
        holds(lambda: not open_poll.done(), "it waits", 0.2)
        run.process.stop()
        status, answer = open_poll.result(10)
        assert (status, answer["error"]["code"]) == (503, "draining")
