"""Why jobs wait, where it takes time to pass or a server that stops; and that long lists cost little."""

from typing import Any

import msgspec

from cmdexec.model.job import Job, Status
from cmdexec.model.matching import Machine, Needs, misses
from cmdexec.model.parts import Capacity
from cmdexec.model.waiting import Cause, Why
from cmdexec.server.jobs import lease_over
from cmdexec.server.workers import Waits
from tests.unit.server.core import Core, Worker


async def ready(server: Core, worker_id: str, **more: Any) -> Worker:
    worker = await server.connect(worker_id, f"s-{worker_id}", f"i-{worker_id}", **more)
    await worker.beat()
    return worker


def waits(server: Core, *, stopping: bool = False) -> Waits:
    return Waits(server.presence.desk, server.reads.classes, server.clock, lambda: stopping)


async def queued(server: Core, **spec: Any) -> Job:
    (job,) = await server.submit(1, **spec)
    return job


async def test_a_worker_that_is_silent_is_said_to_be_so(server: Core) -> None:
    await ready(server, "w", name="build-07")
    job = await queued(server)
    server.clock.go_on(45)
    why = waits(server)(job)
    assert why is not None
    assert why.sentence == "the one worker, build-07, has been silent for 45 s"
    assert why.mend == "Look after build-07, or add a worker."


async def test_a_server_that_stops_says_so_and_nothing_else(server: Core) -> None:
    why = waits(server, stopping=True)(await queued(server, requires={"gpu": "a100"}))
    assert why is not None
    assert (why.sentence, why.mend) == ("the server is stopping; it goes on when the server is back", None)


async def test_a_job_whose_worker_is_lost_waits_for_news_of_it(server: Core) -> None:
    worker = await ready(server, "w", name="build-07")
    job = await queued(server)
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    await server.jobs.turn(lease_over([job.job_id], "s-w"))
    why = waits(server)(await server.job(job.job_id))
    assert why is not None
    assert why.sentence == "news of worker build-07, which is silent"
    assert why.mend == "If build-07 does not come back, requeue it: it may run twice then."


async def test_a_job_whose_worker_was_revoked_waits_for_a_decision(server: Core) -> None:
    worker = await ready(server, "w", name="build-07")
    job = await queued(server)
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    await server.presence.revoke("w", "ann")
    job = await server.job(job.job_id)
    asked = waits(server)
    for _ in range(2):
        why = asked(job)
        assert why is not None
        assert why.sentence == "a decision: worker build-07, which ran it, was revoked"
        assert why.mend == "Requeue it: it runs twice then if build-07 still runs it. Or cancel it."
        server.clock.go_on(5)
        await asked.look([job])


async def test_a_job_that_has_not_begun_where_nobody_is_any_more_goes_back_in_time(server: Core) -> None:
    worker = await ready(server, "w", name="build-07")
    job = await queued(server)
    await server.dispatch.give_out()

    async def said() -> str:
        why = waits(server)(await server.job(job.job_id))
        assert why is not None
        assert why.mend is None
        return why.sentence

    assert await said() == "next on worker build-07"
    server.clock.go_on(45)
    back = "it goes back to the queue when its lease is over"
    assert await said() == f"worker build-07, which has been silent for 45 s; {back}"
    worker.leave()
    assert await said() == f"worker build-07, which is not connected; {back}"


async def test_what_runs_or_has_ended_does_not_wait(server: Core) -> None:
    job = await queued(server)
    for status in set(Status) - {Status.QUEUED, Status.SCHEDULED, Status.ASSIGNED, Status.UNKNOWN}:
        assert waits(server)(msgspec.structs.replace(job, status=status)) is None


async def test_a_long_list_is_worked_out_once_for_each_class(server: Core) -> None:
    for n in range(20):
        await ready(server, f"w{n}", labels={"n": str(n)})
    jobs = [await queued(server, requires={"n": f"x{n % 10}"}) for n in range(200)]
    asked = waits(server)
    looks = []
    look = asked._look

    def counted(*what: object) -> Why:
        looks.append(what)
        return look(*what)  # type: ignore[arg-type]

    asked._look = counted  # type: ignore[method-assign, assignment]
    await asked.look(jobs)
    causes = {why.cause for job in jobs if (why := asked(job)) is not None}
    assert (causes, len(looks)) == ({Cause.NO_MATCH}, 10)
    server.clock.go_on(1)
    asked(jobs[0])
    assert len(looks) == 11, "and it is not kept for long"


def test_every_cause_has_a_sentence_that_is_whole() -> None:
    for cause in Cause:
        lacks = misses(Needs((("gpu", "a100"),)), Machine({}, Capacity()))
        why = Why(cause, workers=("w",), misses=lacks, detail="so it is", seconds=5, run=2, runs=3)
        assert why.sentence
        assert not why.sentence.endswith((".", " ", ";"))
        assert why.mend is None or (why.mend[0].isupper() and why.mend.endswith("."))
