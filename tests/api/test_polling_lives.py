"""Workers that poll, over lives: of leases, of answers that were lost, of a server that was killed."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.poller import Poller, ref
from tests.support.server import Running, running
from tests.support.system import workers
from tests.support.waiting import holds, until

NAMES = itertools.count(1)
LEASES = {"LEASE_SEC": "1s", "HEARTBEAT_SEC": "200ms", "LEASE_SWEEP_SEC": "50ms"}


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("lives"), **LEASES) as run:
        yield run


@pytest.fixture
def worker(polled: Running) -> Poller:
    one = Poller(polled, f"poller-{next(NAMES)}")
    one.register()
    return one


def state(worker: Poller) -> tuple[str, str | None]:
    found = next(one for one in workers(worker.run.api()) if one["workerId"] == worker.name)
    return found["state"], found["transport"]


def test_one_that_says_nothing_leaves_and_any_word_brings_it_back(polled: Running, worker: Poller) -> None:
    polled.api().create({"command": "true"})
    (job,) = worker.take()
    until(lambda: state(worker) == ("lost", None), "it left")
    assert polled.api().job(job["jobId"])["status"] == "unknown"
    assert worker.send(job, ("stdout", 0, b"x"))[0] == 200, "bringing output takes it up"
    assert polled.api().job(job["jobId"])["status"] == "running"
    assert state(worker) == ("online", "polling")
    assert worker.result(job)[1]["status"] == "completed"


def test_polls_alone_renew_the_lease_and_are_answered_in_half_of_it(worker: Poller) -> None:
    def polls() -> bool:
        return worker.poll(wait=30) == (204, None) and state(worker) == ("online", "polling")

    holds(polls, "it is there as long as it polls", 2.0)


def test_a_running_job_of_which_nothing_is_said_has_its_lease_over_alone(polled: Running, worker: Poller) -> None:
    """As if the answer that granted it had been lost: the worker goes on, without lists and without a word of it."""
    for _ in range(2):
        polled.api().create({"command": "true"})
    (job,) = worker.take()
    (other,) = worker.take(wait=0.4) if worker.poll(wait=0.4)[0] == 200 else (None,)
    assert other is None, "it has one slot"

    def next_job() -> dict[str, object] | None:
        status, answer = worker.poll(wait=0.4)
        return answer["jobs"][0] if status == 200 else None

    second = until(next_job, "its slot is given to another job", 10)
    assert second is not None
    assert polled.api().job(job["jobId"])["status"] == "unknown"
    assert state(worker) == ("online", "polling")
    assert worker.result(job)[1]["status"] == "completed", "it ran all the same"
    assert worker.result(second)[1]["status"] == "completed"


def test_a_job_that_was_given_and_is_not_begun_is_queued_again(polled: Running, worker: Poller) -> None:
    """As if the answer had been lost, and the worker asked under another claim, without lists."""
    job_id = polled.api().create({"command": "true"})["jobId"]
    worker.take(claim="a")
    numbers = itertools.count()

    def again() -> object:
        status, answer = worker.poll(claim=f"b{next(numbers)}", wait=0.4)
        return answer["jobs"] if status == 200 and answer["jobs"] else None

    (job,) = until(again, "it is given again", 10)  # type: ignore[misc]
    assert (job["jobId"], job["attempt"]) == (job_id, 2)
    assert state(worker) == ("online", "polling")
    worker.beat(job, start=[ref(job)])
    assert worker.result(job)[1]["status"] == "completed"


def test_a_word_of_it_now_and_then_is_enough(polled: Running, worker: Poller) -> None:
    polled.api().create({"command": "true"})
    (job,) = worker.take()
    sent = itertools.count()
    words = itertools.cycle((
        lambda: worker.check(job) == {"stop": False, "reason": None},
        lambda: worker.beat(job)["stop"] == [],
        lambda: worker.send(job, ("stdout", next(sent), b"."))[0] == 200,
    ))  # fmt: skip
    holds(lambda: next(words)() and worker.poll(wait=0.4)[0] == 204, "it speaks of it", 2.5)
    assert polled.api().job(job["jobId"])["status"] == "running"
    assert worker.result(job)[1]["status"] == "completed"


def test_what_lists_lack_is_dead_if_it_had_begun_and_queued_again_if_not(polled: Running, worker: Poller) -> None:
    ids = polled.api().create_many([{"command": "true"}] * 2)
    (job,) = worker.take()
    assert job["jobId"] == ids[0]
    worker.beat()
    assert polled.api().job(ids[0])["status"] == "running", "the list may have been made before the job was given"

    def ended() -> bool:
        worker.beat()
        return bool(polled.api().job(ids[0])["status"] == "failed")

    until(ended, "it is dead")
    assert polled.api().job(ids[0])["reason"] == "worker"
    (given,) = worker.take(claim="a")
    assert (given["jobId"], given["attempt"]) == (ids[1], 1)

    def waits_again() -> bool:
        worker.beat()
        return bool(polled.api().job(ids[1])["status"] == "queued")

    until(waits_again, "it is queued")
    (given,) = worker.take(claim="b")
    assert (given["jobId"], given["attempt"]) == (ids[1], 2)
    assert worker.beat(given, start=[ref(given)])["start"][0]["tell"] == "go"
    worker.result(given)


def test_the_same_claim_gives_the_same_jobs_after_the_server_was_killed(tmp_path: Path) -> None:
    with running(tmp_path, **LEASES) as run:
        worker, other = Poller(run, "poller"), Poller(run, "other")
        worker.register(3)
        other.register(1)
        ids = run.api().create_many([{"command": "true"}] * 4)
        (begun,) = worker.take()
        given = worker.take(claim="c", max=2)
        (others,) = other.take(claim="c")
        run.process.kill9()
        run.process.start()
        assert worker.take(claim="c", max=2) == given, "without a new register"
        assert other.take(claim="c") == [others], "the claims of workers are their own"
        assert [begun["jobId"], *(job["jobId"] for job in given), others["jobId"]] == ids
        for one in given:
            assert worker.beat(begun, *given, start=[ref(one)])["start"][0]["tell"] == "go"
        for one in (begun, *given):
            assert worker.result(one)[1]["attempt"] == 1
        other.beat(released=[ref(others) | {"why": "neverSpawned"}])
        assert worker.take(claim="c") == [others | {"attempt": 2}], "a claim of which nothing is left is as good as new"


def test_a_job_goes_on_over_the_death_of_the_server(tmp_path: Path) -> None:
    with running(tmp_path, **LEASES) as run:
        worker = Poller(run, "poller")
        worker.register()
        run.api().create({"command": "true"})
        (job,) = worker.take()
        assert worker.send(job, ("stdout", 0, b"before "))[0] == 200
        run.process.kill9()
        run.process.start()
        assert worker.beat(job)["stop"] == []
        assert worker.send(job, ("stdout", 7, b"after"))[0] == 200
        assert worker.result(job, output={"stdout": {"bytes": 12}})[1]["output"]["stdout"]["whole"] is True
        assert run.api().output(job["jobId"]) == b"before after"
