"""The batch of short jobs that W1, W4 and W9 are about: submitted, waited for, checked, and what it took."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.processes_posix import Processes
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import Serving, until
from cmdexec.client import Client, NewJob
from cmdexec.protocol.requests import JobView

JOB = NewJob(command=("sh", "-c", "echo $CMDEXEC_JOB_ID"))
LIST = 1000
WARM_UP = 300
_LAST = 8
"""So many of the last jobs have to have ended before the rest is asked for."""
_WITHIN_SEC = 1800.0
_LOOK_SEC = 0.25
"""How often the last job is asked after, until it has ended: more would be a load of its own."""
_AT_ONCE = 8
ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Ran:
    """One batch: jobs a second from the first submission to the last end; processor time of a job in µs, of each of the
    three processes and of the job's own."""

    jobs_per_sec: float
    cpu: dict[str, float]


async def run(bench: Bench, server: Serving, processes: Processes, count: int) -> tuple[Ran, list[str]]:
    """Submit `count` jobs by the batch call and wait for their ends; their output is not checked yet."""
    before, began = processes.cpu(), bench.runtime.clock.now()
    job_ids = await submit(server.client, count)
    await ended(bench, server.client, job_ids)
    used = {name: after - before[name] for name, after in processes.cpu().items()}
    jobs = await completed(server.client, job_ids)
    took = max(moment(job.finished_at) for job in jobs) - began / 1000
    cpu = {name: one.own / count * 1e6 for name, one in used.items()}
    cpu["child"] = used["warden"].ended_children / count * 1e6
    return Ran(count / took, cpu), job_ids


async def submit(client: Client, count: int, job: NewJob = JOB) -> list[str]:
    """Their ids in order."""
    job_ids: list[str] = []
    while len(job_ids) < count:
        job_ids += [view.job_id for view in await client.submit_all([job] * min(LIST, count - len(job_ids)))]
    return job_ids


async def ended(bench: Bench, client: Client, job_ids: Sequence[str]) -> None:
    """Wait until the last ones have ended, with few questions."""

    async def last_one() -> bool:
        return (await client.status(job_ids[-1])).status in ENDED

    async def last_ones() -> bool:
        return all(job.status in ENDED for job in await client.statuses(job_ids[-_LAST:]))

    await until(bench, last_one, "the last job has ended", _WITHIN_SEC, _LOOK_SEC)
    await until(bench, last_ones, "the last jobs have ended", _WITHIN_SEC, _LOOK_SEC)


async def completed(client: Client, job_ids: Sequence[str]) -> tuple[JobView, ...]:
    """The jobs. Raises `bench_failed` unless each ended well."""
    jobs = await client.statuses(job_ids)
    for job in jobs:
        if job.status != "completed":
            raise failed(f"Job {job.job_id} is {job.status} ({job.reason}), and ought to be completed.")
    return jobs


async def check_outputs(client: Client, job_ids: Sequence[str]) -> None:
    """Each job wrote its own id, and that is what is stored. Raises `bench_failed` for one that is otherwise."""

    async def check(part: Iterator[str]) -> None:
        for job_id in part:
            output = b"".join([piece async for piece in client.output(job_id)])
            if output != f"{job_id}\n".encode():
                raise failed(f"Job {job_id} ought to have written its id, and {output[:100]!r} is stored.")

    waiting = iter(job_ids)
    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(check(waiting))


def moment(text: str | None) -> float:
    """RFC 3339 as seconds since 1970."""
    if text is None:
        raise failed("A job that has ended does not say when.")
    return datetime.fromisoformat(text).timestamp()
