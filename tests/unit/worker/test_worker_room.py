"""A machine without room for another process fails no job: it gives them back, and draws no more to it."""

import asyncio
from pathlib import Path

from cmdexec.protocol.messages import Assignment
from tests.support.waiting import until
from tests.support.worker import job_id
from tests.support.worker_server import WorkerServer, serving

COUNT = 8
SLOTS = 4


def jobs(first: int, count: int, command: str = "echo ran") -> list[Assignment]:
    return [Assignment(job_id=job_id(first + n), attempt=1, command=command) for n in range(count)]


async def work_folder(server: WorkerServer, folder: Path) -> Path:
    """The folder of the jobs' folders, once the worker is connected."""
    await server.until(lambda: server.of("heartbeat"), "it is connected")
    (work,) = (folder / "jobs").iterdir()
    return work


def spoil(work: Path) -> None:
    """Let no folder be made there."""
    work.rename(work.with_name("away"))
    work.touch()


def restore(work: Path) -> None:
    work.unlink()
    work.with_name("away").rename(work)


def trouble(server: WorkerServer) -> str | None:
    """What the worker's newest heartbeat says."""
    told = [beat.stats for beat in server.of("heartbeat") if beat.stats is not None]
    return told[-1].trouble if told else None


async def test_jobs_without_a_folder_are_given_back_and_few_are_tried(tmp_path: Path) -> None:
    async with serving(tmp_path, slots=SLOTS, start_pause_sec=0.5) as (server, _):
        work = await work_folder(server, tmp_path)
        spoil(work)
        await server.assign(*jobs(1, COUNT))
        await server.until(lambda: len(server.of("released")) >= SLOTS, "all that had a slot is given back")
        assert len(server.of("start")) <= SLOTS + 1
        await server.until(lambda: len(server.of("start")) > SLOTS, "after a pause, one finds out")
        assert len(server.of("start")) <= SLOTS + 2, "one, not as many as there are slots"
        restore(work)
        await server.until(lambda: len(server.of("done")) + len(server.of("released")) == COUNT, "all are told of")
        assert {one.why for one in server.of("released")} == {"noRoom"}
        assert "Not a directory" in server.of("released")[0].message
        ran = server.of("done")
        assert ran
        assert {one.exit_code for one in ran} == {0}


async def test_it_says_so_as_long_as_it_can_make_no_process(tmp_path: Path) -> None:
    async with serving(tmp_path, slots=1, start_pause_sec=0.1) as (server, _):
        work = await work_folder(server, tmp_path)
        spoil(work)
        await server.assign(*jobs(1, 1))
        await server.until(lambda: "Not a directory" in (trouble(server) or ""), "it says what is wrong")
        restore(work)
        await server.assign(*jobs(2, 1))
        await server.results(1)
        await server.until(lambda: trouble(server) is None, "nothing is wrong any more")


async def test_a_job_that_could_not_be_begun_is_none_of_those_that_the_worker_shall_run(tmp_path: Path) -> None:
    async with serving(tmp_path, slots=1, start_pause_sec=0.1, max_jobs=1) as (server, worker):
        work = await work_folder(server, tmp_path)
        spoil(work)
        await server.assign(*jobs(1, 1))
        await server.until(lambda: server.of("released"), "it is given back")
        restore(work)
        await server.assign(*jobs(2, 1))
        assert [one.job_id for one in await server.results(1)] == [job_id(2)]
        assert await asyncio.wait_for(worker.task, 10) == 0


async def test_the_folder_of_the_folders_is_made_again_where_somebody_removed_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        work = await work_folder(server, tmp_path)
        work.rmdir()
        await server.assign(*jobs(1, 2))
        assert {one.exit_code for one in await server.results(2)} == {0}
        assert work.stat().st_mode & 0o777 == 0o700
        assert not server.of("released")


async def test_where_there_is_room_again_all_slots_are_filled(tmp_path: Path) -> None:
    async with serving(tmp_path, slots=SLOTS, start_pause_sec=0.1) as (server, _):
        work = await work_folder(server, tmp_path)
        spoil(work)
        await server.assign(*jobs(1, 1))
        await server.until(lambda: server.of("released"), "it is given back")
        restore(work)
        flags = tmp_path / "flags"
        flags.mkdir()
        gate = tmp_path / "gate"
        await server.assign(*jobs(2, SLOTS, f"touch {flags}/$CMDEXEC_JOB_ID; until [ -e {gate} ]; do sleep 0.02; done"))
        await asyncio.to_thread(until, lambda: len(list(flags.iterdir())) == SLOTS, "all run at once")
        gate.touch()
        await server.results(SLOTS)


async def test_the_folder_of_the_folders_goes_with_the_worker_and_nothing_of_others(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, worker):
        work = await work_folder(server, tmp_path)
        other = work.parent / "of-another"
        other.mkdir()
        await server.assign(*jobs(1, 1, "touch left"))
        await server.results(1)
        await worker.end()
        assert not work.exists()
        assert other.exists()


async def test_an_order_that_comes_again_when_all_is_over_starts_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, known_attempts_max=2) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")

        async def run(number: int) -> None:
            done = len(server.of("done"))
            await server.assign(*jobs(number, 1))
            await server.until(lambda: len(server.of("done")) > done, "it has ended")
            await server.until(lambda: not server.of("heartbeat")[-1].jobs, "it is forgotten")

        await run(1)
        await run(2)
        await server.assign(*jobs(1, 1))
        await run(3)
        assert [one.job_id for one in server.of("start")] == [job_id(1), job_id(2), job_id(3)]
        await run(1)
        assert len(server.of("start")) == 4, "so many are kept in mind, no more"
