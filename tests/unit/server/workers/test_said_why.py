"""What is said of why jobs wait is so, and what is said to end it does."""

from typing import Any

import msgspec
import pytest

from cmdexec.model.job import Job
from cmdexec.model.waiting import Cause, Why
from cmdexec.server.jobs import lease_over
from cmdexec.server.workers import Waits
from tests.unit.server.core import Core, Worker

A100 = {"gpu": "a100"}
GB = 1024


async def ready(server: Core, worker_id: str, **said: Any) -> Worker:
    limits = {"limits": "watched"} if {"cpu", "ram_mb"} & said.keys() else {}
    worker = await server.connect(worker_id, f"s-{worker_id}", f"i-{worker_id}", **limits, **said)
    await worker.beat()
    return worker


async def why(server: Core, job: Job) -> Why:
    waits = Waits(server.presence.desk, server.reads.classes, server.clock, lambda: False)
    now = await server.job(job.job_id)
    await waits.look([now])
    said = waits(now)
    assert said is not None
    return said


async def one(server: Core, **spec: Any) -> Job:
    server.clock.go_on(0.001)
    (job,) = await server.submit(1, **spec)
    return job


@pytest.mark.parametrize(("place", "words"), [(0, "it is the first of its kind"), (3, "3 jobs like it go first")])
async def test_of_a_batch_only_the_first_goes_first(server: Core, place: int, words: str) -> None:
    await ready(server, "w", slots=1)
    await one(server)
    await server.dispatch.give_out()
    batch = await server.submit(5)
    assert len({job.rank for job in batch}) == 1
    assert (await why(server, batch[place])).sentence == f"the one worker, w, is busy; {words}"


async def test_what_comes_behind_all_that_are_counted_is_told_so(server: Core) -> None:
    await ready(server, "w", slots=1)
    await one(server)
    await server.dispatch.give_out()
    last = (await server.submit(120))[-1]
    said = await why(server, last)
    assert said.sentence == "the one worker, w, is busy; more than 100 jobs like it go first"
    assert said.mend == "Cancel it and submit it with a higher priority, or add a worker."


_MACHINES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str, str]] = [
    (
        {"labels": {"gpu": "a100", "zone": "b"}}, {"labels": {"zone": "a"}}, {"requires": A100 | {"zone": "a"}},
        "no worker has gpu=a100 and zone=a; the nearest, a, has zone=b",
        "Give a the label zone=a, or add a worker that has gpu=a100 and zone=a.",
    ),
    (
        {"cpu": 8.0, "ram_mb": 32 * GB}, {"cpu": 4.0, "ram_mb": 64 * GB}, {"cpu": 8.0, "ram_mb": 64 * GB},
        "no worker has 8 cores and 64 GB of memory; the nearest, a, has 32 GB",
        "Cancel it and submit it with no more than 32 GB of memory, or add a worker that has 8 cores and 64 GB of"
        " memory.",
    ),
    (
        {}, {"cpu": 4.0, "ram_mb": 32 * GB}, {"cpu": 8.0, "ram_mb": 64 * GB},
        "no worker has 8 cores and 64 GB of memory; the largest, b, has 4 cores and 32 GB of memory",
        "Cancel it and submit it with no more than 4 cores and 32 GB of memory, or add a worker that has 8 cores and"
        " 64 GB of memory.",
    ),
    (
        {}, {"labels": {"gpu": "t4"}}, {"cpu": 1.0, "requires": A100},
        "no worker has gpu=a100 and limits for single jobs; the nearest, b, has gpu=t4 and no limits for single jobs",
        "Cancel it and submit it with no part of the machine and give b the label gpu=a100, or add a worker that has"
        " gpu=a100 and 1 core.",
    ),
    (
        {"labels": {"os": "linux"}}, {"labels": {"hostname": "h1"}}, {"requires": {"os": "windows"}},
        "no worker has os=windows; the nearest, a, has os=linux", "Add a worker that has os=windows.",
    ),
    (
        {"ram_mb": 1500}, {"ram_mb": 100}, {"ram_mb": 1501},
        "no worker has 1.5 GB of memory; the largest, a, has 1.4 GB",
        "Cancel it and submit it with no more than 1.4 GB of memory, or add a worker that has 1.5 GB of memory.",
    ),
    (
        {"ram_mb": 23 * GB + 600}, {"ram_mb": 100}, {"ram_mb": 640 * GB},
        "no worker has 640 GB of memory; the largest, a, has 23.5 GB",
        "Cancel it and submit it with no more than 23.5 GB of memory, or add a worker that has 640 GB of memory.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "job", "words", "mend"), _MACHINES, ids=range(len(_MACHINES)))
async def test_nothing_that_somebody_has_is_said_to_be_nowhere_and_all_that_is_needed_is_said(
    server: Core, a: dict[str, Any], b: dict[str, Any], job: dict[str, Any], words: str, mend: str
) -> None:
    await ready(server, "a", **a)
    await ready(server, "b", **b)
    said = await why(server, await one(server, **job))
    assert (said.sentence, said.mend) == (words, mend)


async def test_a_worker_that_has_not_said_what_it_holds_is_not_about_to_get_it(server: Core) -> None:
    worker = await server.connect("w", "s-w", "i-w")
    job = await one(server)
    assert (await why(server, job)).sentence == "the one worker, w, has room for it, and not said yet what runs there"
    await worker.beat()
    assert (await why(server, job)).cause is Cause.SOON


async def test_that_others_match_who_take_none_is_not_denied(server: Core) -> None:
    await ready(server, "a", slots=1)
    await one(server)
    await server.dispatch.give_out()
    b = await ready(server, "b", slots=1)
    await b.beat(draining=True)
    job = await one(server)
    words = "the one worker that may have it, a, is busy; it is the first of its kind"
    assert (await why(server, job)).sentence == words


async def test_a_worker_that_is_silent_or_off_is_called_by_its_name(server: Core) -> None:
    worker = await ready(server, "w1", name="build-07")
    job = await one(server)
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    await server.jobs.turn(lease_over([job.job_id], "s-w1"))
    worker.leave()
    assert (await why(server, job)).workers == ("build-07",)


@pytest.mark.parametrize(("retries", "words"), [(1, "run 2 of 3"), (0, "run 2")])
async def test_a_run_after_one_that_was_lost_is_not_counted_as_one_of_the_retries(
    server: Core, retries: int, words: str
) -> None:
    worker = await ready(server, "w")
    job = await one(server, max_retries=2)
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    await worker.done(job.job_id, 1, exit_code=1, reason="exit")
    waits = Waits(server.presence.desk, server.reads.classes, server.clock, lambda: False)
    said = waits(msgspec.structs.replace(await server.job(job.job_id), retries_used=retries))
    assert said is not None
    assert f"({words})" in said.sentence
