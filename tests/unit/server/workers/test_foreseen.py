"""An idle worker hears of a job before its claim is on disk, and begins nothing that did not get there."""

import asyncio
from collections.abc import Sequence

import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.birth import claimed
from cmdexec.model.job import Job, Status
from cmdexec.notify.contract import JobsChanged
from cmdexec.protocol.messages import Released, Told
from cmdexec.server.jobs import recall
from cmdexec.store.contract.jobs_write import Foreseen, Wanted
from tests.support.waiting import becomes
from tests.unit.server.core import Core, Worker


async def ready(server: Core, name: str = "w1") -> Worker:
    worker = await server.connect(name, f"s-{name}", f"i-{name}", slots=4)
    await worker.beat()
    return worker


def doomed(server: Core, job: Job) -> None:
    """The next claim foresees the job, and fails."""
    claim = server.store.jobs_write.claim

    async def fails(wanted: Wanted, foreseen: Foreseen | None = None) -> list[Job]:
        server.store.jobs_write.claim = claim  # type: ignore[method-assign]
        assert foreseen is not None
        foreseen([claimed(job, wanted.claim, wanted.now)])
        raise Unavailable("store_away", "The commit failed.")

    server.store.jobs_write.claim = fails  # type: ignore[method-assign]


async def test_it_is_told_once_and_may_ask_before_the_claim_has_returned(server: Core) -> None:
    (job,) = await server.submit()
    worker = await ready(server)
    claim = server.store.jobs_write.claim
    answers = []

    async def slow(wanted: Wanted, foreseen: Foreseen | None = None) -> list[Job]:
        jobs = await claim(wanted, foreseen)
        assert worker.assigned() == [(job.job_id, 1)]
        answers.extend(await worker.start((job.job_id, 1)))
        return jobs

    server.store.jobs_write.claim = slow  # type: ignore[method-assign]
    await server.dispatch.give_out()
    assert [answer.tell for answer in answers] == ["go"]
    assert worker.assigned() == [(job.job_id, 1)]
    assert (await server.job(job.job_id)).status is Status.RUNNING


async def test_what_was_foreseen_in_vain_is_not_begun_and_is_given_out_again(server: Core) -> None:
    (job,) = await server.submit()
    worker = await ready(server)
    doomed(server, job)
    assert await server.dispatch.give_out(), "it has to be asked again soon"
    assert worker.assigned() == [(job.job_id, 1)]
    (answer,) = await worker.start((job.job_id, 1))
    assert answer.tell == "stop"
    assert (await server.job(job.job_id)).status is Status.QUEUED
    await server.dispatch.give_out()
    (answer,) = await worker.start((job.job_id, 1))
    assert worker.assigned() == [(job.job_id, 1)] * 2
    assert answer.tell == "go"


async def test_a_claim_that_is_asked_again_makes_good_what_was_foreseen(server: Core) -> None:
    (job,) = await server.submit()
    worker = await ready(server)
    doomed(server, job)
    await server.dispatch.give_out()
    await server.dispatch.give_out()
    assert worker.assigned() == [(job.job_id, 1)], "it has it already"
    (answer,) = await worker.start((job.job_id, 1))
    assert answer.tell == "go"


async def test_what_another_worker_was_given_meanwhile_is_not_begun_here(server: Core) -> None:
    (job,) = await server.submit()
    worker = await ready(server)
    doomed(server, job)
    await server.dispatch.give_out()
    worker.leave()
    other = await ready(server, "w2")
    await server.dispatch.give_out()
    assert other.assigned() == [(job.job_id, 1)]
    again = await ready(server)
    (late,) = await again.start((job.job_id, 1))
    (answer,) = await other.start((job.job_id, 1))
    assert (late.tell, answer.tell) == ("stop", "go")


async def test_a_worker_that_has_something_to_do_hears_of_more_when_it_is_certain(server: Core) -> None:
    await server.submit()
    worker = await ready(server)
    await server.dispatch.give_out()
    asked: list[Foreseen | None] = []
    claim = server.store.jobs_write.claim

    async def seen(wanted: Wanted, foreseen: Foreseen | None = None) -> list[Job]:
        asked.append(foreseen)
        return await claim(wanted, foreseen)

    server.store.jobs_write.claim = seen  # type: ignore[method-assign]
    await server.submit()
    await server.dispatch.give_out()
    assert asked == [None]
    assert len(worker.assigned()) == 2


async def test_people_are_told_of_nothing_that_is_not_certain(server: Core) -> None:
    (job,) = await server.submit()
    await ready(server)
    doomed(server, job)
    told: list[Sequence[str]] = []

    server.notify.listen(JobsChanged, lambda hint: told.append(hint.job_ids))
    await server.dispatch.give_out()
    assert told == []
    assert server.jobs.recall(job.job_id) is None


async def test_what_does_not_fit_into_one_message_is_sent_when_it_is_certain(server: Core) -> None:
    await server.submit(2, command=("true", "x" * 40_000))
    worker = await ready(server)
    claim = server.store.jobs_write.claim
    sent: list[int] = []

    async def seen(wanted: Wanted, foreseen: Foreseen | None = None) -> list[Job]:
        jobs = await claim(wanted, foreseen)
        sent.append(len(worker.assigned()))
        return jobs

    server.store.jobs_write.claim = seen  # type: ignore[method-assign]
    await server.dispatch.give_out()
    assert sent == [0]
    assert len(worker.assigned()) == 2


async def test_the_start_of_a_worker_that_asks_at_once_shares_the_commit_of_its_claim(server: Core) -> None:
    """One that takes its time, or of which that is not known, is not waited for."""
    worker = await ready(server)
    claim = server.store.jobs_write.claim
    waited: list[float] = []

    async def seen(wanted: Wanted, foreseen: Foreseen | None = None) -> list[Job]:
        waited.append(wanted.follows_sec)
        return await claim(wanted, foreseen)

    server.store.jobs_write.claim = seen  # type: ignore[method-assign]
    for asks_after in (0.1, 0.001, 5.0, 5.0):
        (job,) = await server.submit()
        await server.dispatch.give_out()
        server.clock.go_on(asks_after)
        await worker.start((job.job_id, 1))
        await worker.done(job.job_id, 1)
    assert waited == [0.0, 0.0, pytest.approx(0.003), 0.0]


async def test_what_others_say_of_the_job_meanwhile_does_not_make_its_start_a_late_one(server: Core) -> None:
    """It is looked up for them, in a store that does not show the claim yet."""
    (job,) = await server.submit()
    one = await server.connect("w1", "s-w1", "i-w1")
    await server.claim(one.holder)
    await server.jobs.turn(recall([job.job_id]))
    two = await ready(server, "w2")
    claim = server.store.jobs_write.claim
    asked: list[asyncio.Task[list[Told]]] = []

    async def slow(wanted: Wanted, foreseen: Foreseen | None = None) -> list[Job]:
        assert foreseen is not None
        foreseen([claimed(await server.job(job.job_id), wanted.claim, wanted.now)])
        asked.append(asyncio.ensure_future(one.ask("released", Released(job_id=job.job_id, attempt=1, why="dead"))))
        await becomes(lambda: server.jobs.recall(job.job_id) is None, "it is looked up for the other worker")
        asked.append(asyncio.ensure_future(two.start((job.job_id, 2))))
        await server.runtime.threads.run(lambda: None)
        return await claim(wanted, None)

    server.store.jobs_write.claim = slow  # type: ignore[method-assign]
    await server.dispatch.give_out()
    late, first = await asyncio.gather(*asked)
    assert [answer.tell for answer in (*late, *first)] == ["stop", "go"]
    assert (await server.job(job.job_id)).status is Status.RUNNING


async def test_looking_up_waits_for_every_claim_that_is_about_to_give_the_job(server: Core) -> None:
    """One whose commit failed may be heard of after the next has begun."""
    (job,) = await server.submit()
    shell = server.jobs._shell
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    shell.foresee([job], first)
    early = asyncio.ensure_future(shell.look_up([job.job_id]))
    await asyncio.sleep(0)
    shell.foresee([job], second)
    late = asyncio.ensure_future(shell.look_up([job.job_id]))
    read: list[Sequence[str]] = []
    get = shell.reads.get

    async def noted(job_ids: Sequence[str]) -> list[Job | None]:
        read.append(job_ids)
        return await get(job_ids)

    shell.reads.get = noted  # type: ignore[method-assign]
    shell.came_about([job], first)
    await server.runtime.threads.run(lambda: None)
    assert read == [], "what the second does is not stored yet"
    shell.came_about([job], second)
    assert await asyncio.gather(early, late) == [[job], [job]]
    assert await shell.look_up([job.job_id]) == [job]
