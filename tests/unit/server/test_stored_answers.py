"""What was stored is answered with 200, however the store is a moment later: a refusal would say it was not done."""

from typing import Any

import msgspec
import pytest

from cmdexec.errors import Unavailable
from cmdexec.protocol.codec import encode
from cmdexec.protocol.listing import RequeueJob, RerunJob
from cmdexec.protocol.requests import CancelJobs, CancelView, JobsView, JobView, NewJob
from cmdexec.server.api.again import AgainApi
from cmdexec.server.api.handler import Call, Reply
from cmdexec.server.api.jobs import JobsApi
from cmdexec.server.api.pages import WHOLE_BYTES
from cmdexec.server.identity import Identity
from cmdexec.server.jobs import lease_over
from cmdexec.server.workers import Waits
from tests.unit.server.core import OWNER, Core

ME = Identity("user", OWNER, frozenset())


def api(server: Core) -> JobsApi:
    fleet = Waits(server.presence.desk, server.reads.classes, server.clock, lambda: False)
    return JobsApi(server.jobs, server.reads, fleet=fleet, max_batch=100, max_spec_bytes=1 << 20)


def unreadable(server: Core, monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Nothing of these kinds can be read any more."""

    async def refuse(*_: Any) -> Any:
        raise Unavailable("overloaded", "Too many wait to read the store.")

    for kind in kinds:
        reads = getattr(server.reads, kind)
        for name in [one for one in dir(reads) if not one.startswith("_")]:
            monkeypatch.setattr(reads, name, refuse)


def view(reply: Reply) -> JobView:
    assert isinstance(reply.body, JobView)
    return reply.body


async def test_a_new_job_is_answered_without_a_look_at_the_store(server: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    unreadable(server, monkeypatch, "classes", "workers", "output")
    first = view(await api(server).create(Call(ME, (NewJob(command="true"),), body=b"1")))
    assert (first.status, first.waiting_for) == ("queued", None), "why it waits is not known yet"
    monkeypatch.undo()
    await server.presence.desk.offers.look()
    unreadable(server, monkeypatch, "classes", "workers", "output")
    second = view(await api(server).create(Call(ME, (NewJob(command="true"),), body=b"2")))
    assert second.waiting_for == "no worker is connected"


async def test_a_list_too_long_to_keep_is_answered_all_the_same(server: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = tuple(NewJob(command=("echo", str(number)), stdin=b"x" * WHOLE_BYTES) for number in range(3))
    body = b"x" * (2 * WHOLE_BYTES)
    unreadable(server, monkeypatch, "classes", "workers", "output")
    monkeypatch.setattr(server.reads.jobs, "get", server.reads.workers.all)
    reply = await api(server).create(Call(ME, jobs, listed=True, body=body))
    shown = msgspec.json.decode(reply.body, type=JobsView).jobs
    assert [job.command for job in shown] == [job.command for job in jobs]


async def test_each_job_of_a_list_is_answered_as_it_is_shown_later(server: Core) -> None:
    """However many of them are alike, and wherever in the list."""
    one = NewJob(command='echo {"jobId":"', tags=("é",))
    other = NewJob(command=("true",), run_at="2040-01-01T00:00:00Z")
    more = [NewJob(command=f"echo {number}", name=(number and f"é {number}") or None) for number in range(5)]
    more += [NewJob(command="x", env={"A": str(number % 2)}, stdin=b"x" * (number // 2)) for number in range(5)]
    asked = (one, other, one, one, *more, one, *[other] * 30)
    await server.presence.desk.offers.look()
    reply = await api(server).create(Call(ME, asked, listed=True, body=b"1"))
    jobs = msgspec.json.decode(reply.body, type=JobsView).jobs
    assert [job.command for job in jobs] == [job.command for job in asked]
    ids = [job.job_id for job in jobs]
    assert ids == sorted(set(ids))
    stored = await server.reads.jobs.get(ids)
    assert jobs == (await api(server).views([job for job in stored if job is not None])).jobs
    assert reply.body == encode(JobsView(jobs=jobs))


async def test_a_worker_that_left_is_known_to_be_away_without_a_look(
    server: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await server.connect("w", name="build-07")
    await worker.beat()
    await server.presence.desk.offers.look()
    unreadable(server, monkeypatch, "classes", "workers")
    worker.link.closed()
    job = view(await api(server).create(Call(ME, (NewJob(command="true"),))))
    assert job.waiting_for == "no connected worker matches; build-07, which does, is not connected"


async def test_what_was_changed_is_answered_as_it_stands(server: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await server.connect("w")
    (old,) = await server.submit()
    (given,) = await server.claim(worker.holder)
    await worker.start((given.job_id, given.attempt))
    await server.jobs.turn(lease_over([old.job_id], "s1"))
    assert (await server.job(old.job_id)).status == "unknown"
    jobs = api(server)
    again = AgainApi(server.jobs, server.reads.jobs, view=jobs.stored)
    unreadable(server, monkeypatch, "classes", "workers", "output")
    rerun = view(await again.rerun(Call(ME, RerunJob(job_id=old.job_id))))
    assert (rerun.status, rerun.rerun_of) == ("queued", old.job_id)
    requeued = view(await again.requeue(Call(ME, RequeueJob(job_id=old.job_id, accept_duplicate=True))))
    assert (requeued.status, len(requeued.attempts)) == ("queued", 1)
    cancelled = (await jobs.cancel(Call(ME, CancelJobs(job_id=rerun.job_id)))).body
    assert isinstance(cancelled, CancelView)
    assert cancelled.outcome == "cancelled"
