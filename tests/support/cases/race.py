"""64 workers of two servers want the same jobs: each job is given to one of them, once, by their own record.

Workers here are sockets that take and end jobs and run nothing, so that claims are what all of it is about.
"""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.cases.world import World, must_be
from tests.support.server import mint
from tests.support.speaker import Speaker, speaking
from tests.support.waiting import becomes

WORKERS = 64
JOBS = 1000
LATER = 50
"""Jobs of a list that comes when the workers have nothing to do."""

SHARE = 0.1
"""The least part of all jobs that either server's workers must have had: else there was no race."""

RACING = {"PREFETCH_MAX": "0", "LEASE_SEC": "60s", "HEARTBEAT_SEC": "10s", "RECALL_AFTER_SEC": "600s"}
"""Settings of servers at which nothing but a claim gives a job to a worker, and none is taken from it again."""

_WITHIN_SEC = 60.0

Ref = dict[str, Any]


@dataclass
class Race:
    """What the workers wrote down. `given`: worker, job and attempt, as often as they were told; `ended`: jobs."""

    given: list[tuple[int, str, int]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


def claim_race(world: World) -> None:
    """Also by the history that is recorded."""
    race, job_ids = raced(world, JOBS)
    must_be_once(race, job_ids)
    must_be(world.settle(), lambda job: (job.attempt, job.status) == (1, "completed"), "each was claimed once")


def raced(world: World, jobs: int) -> tuple[Race, list[str]]:
    """Half of the jobs are there before the workers come, and half come when those have nothing to do."""
    urls = (world.server.url, world.beside().url)
    world.fault(f"{WORKERS} workers of two servers want the same {jobs} jobs")
    return asyncio.run(_raced(world, urls, jobs))


def must_be_once(race: Race, job_ids: list[str]) -> None:
    """By the workers' own record."""
    given = Counter(job_id for _, job_id, _ in race.given)
    twice = {job_id: [one for one in race.given if one[1] == job_id] for job_id, n in given.items() if n > 1}
    assert not twice, f"given more than once: {twice}"
    assert given.keys() == set(job_ids), "each was given to somebody, and nothing else was"
    assert {attempt for _, _, attempt in race.given} == {1}, "each was claimed once"
    assert Counter(race.ended) == dict.fromkeys(job_ids, 1)
    of_first = sum(worker % 2 == 0 for worker, _, _ in race.given) / len(race.given)
    assert SHARE < of_first < 1 - SHARE, f"it was no race: the first server's workers had {of_first:.0%}"


async def _raced(world: World, urls: tuple[str, str], jobs: int) -> tuple[Race, list[str]]:
    race, slots = Race(), [world.rng.randint(1, 4) for _ in range(WORKERS)]
    apis = [world.api(f"submitter {url}", url) for url in urls]
    early = jobs // 2
    job_ids = await asyncio.to_thread(apis[0].create_surely, [{"command": "true"}] * early)
    async with asyncio.TaskGroup() as tasks:
        working = [
            tasks.create_task(_work(world, urls[number % 2], number, slots[number], race)) for number in range(WORKERS)
        ]
        await becomes(lambda: len(race.ended) >= early, "the first half has ended", _WITHIN_SEC)
        for number, start in enumerate(range(early, jobs, LATER)):
            some = [{"command": "true"}] * min(LATER, jobs - start)
            job_ids += await asyncio.to_thread(apis[number % 2].create_surely, some)
        await becomes(lambda: len(race.ended) >= jobs, "all have ended", _WITHIN_SEC)
        for one in working:
            one.cancel()
    return race, job_ids


async def _work(world: World, url: str, number: int, slots: int, race: Race) -> None:
    """Take jobs and end them, until cancelled."""
    name = f"racer-{number}"
    now = int(time.time())
    token = mint(world.server.secret, {"workerId": name, "iat": now, "exp": now + 3600})
    async with speaking(url, {"x-worker-token": token}) as speaker:
        said = {"slots": slots, "session": f"spool-{name}", "instanceId": name, "name": name}
        (answer,) = await speaker.ask("register", said)
        assert "leaseSec" in answer, answer
        while True:
            await speaker.ask("heartbeat", {"jobs": []})
            with suppress(TimeoutError):
                while True:
                    await _run(world, speaker, number, await speaker.told("assign"), race)


async def _run(world: World, speaker: Speaker, number: int, jobs: list[Ref], race: Race) -> None:
    refs = [{"jobId": job["jobId"], "attempt": job["attempt"]} for job in jobs]
    race.given += [(number, ref["jobId"], ref["attempt"]) for ref in refs]
    told = await speaker.ask("start", *refs)
    assert [one["tell"] for one in told] == ["go"] * len(refs), told
    with world.ledger.path.open("a") as ledger:
        ledger.writelines(f"{ref['jobId']} {ref['attempt']} begin\n" for ref in refs)
        ledger.writelines(f"{ref['jobId']} {ref['attempt']} end lines=0 exit=0\n" for ref in refs)
    output = {"stdout": {"bytes": 0}, "stderr": {"bytes": 0}}
    told = await speaker.ask("done", *({**ref, "exitCode": 0, "output": output} for ref in refs))
    assert [one["tell"] for one in told] == ["ok"] * len(refs), told
    race.ended += [ref["jobId"] for ref in refs]
