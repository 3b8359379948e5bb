"""No more jobs: at the first TERM, from that moment on; and for a while, when the server wants it so."""

import asyncio
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cmdexec.protocol.messages import Assignment, Drain
from tests.support.waiting import until
from tests.support.worker import job_id
from tests.support.worker_server import WorkerServer, serving, told


def job(number: int, command: str) -> Assignment:
    return Assignment(job_id=job_id(number), attempt=1, command=command)


async def runs(server: WorkerServer, folder: Path) -> Path:
    """A job runs that ends when the file is there."""
    await server.until(lambda: server.of("heartbeat"), "it is connected")
    gate = folder / "gate"
    await server.assign(job(1, f"touch {folder}/flag; until [ -e {gate} ]; do sleep 0.02; done"))
    await asyncio.to_thread(until, (folder / "flag").exists, "it runs")
    return gate


def given_back(server: WorkerServer) -> set[tuple[str, str]]:
    return {(one.job_id, one.why) for one in server.of("released")}


async def test_drained_by_the_server_it_gives_back_what_has_not_begun_and_what_runs_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with serving(tmp_path, slots=1) as (server, worker):
        gate = await runs(server, tmp_path)
        await server.assign(job(2, "true"))
        await server.send("drain", Drain(draining=True, message="ada@example.com drained it"))
        await server.until(lambda: given_back(server) == {(job_id(2), "handedBack")}, "it is given back")
        await server.assign(job(3, "true"))
        await server.until(lambda: (job_id(3), "handedBack") in given_back(server), "and what comes late, too")
        gate.touch()
        assert [done.exit_code for done in await server.results(1)] == [0]
        beats = len(server.of("heartbeat"))
        await server.until(lambda: len(server.of("heartbeat")) > beats + 1, "it lives on")
        assert not worker.task.done()
        assert not server.of("heartbeat")[-1].draining, "it does not end: the server itself knows that it is drained"
        await server.send("drain", Drain(draining=False))
        await server.assign(job(4, "exit 4"))
        assert (await server.results(2))[1].exit_code == 4
    said = [record.getMessage() for record in caplog.records]
    assert "drained: no job is begun until this worker is resumed" in said
    assert "resumed: jobs are begun again" in said


async def test_that_it_is_drained_it_learns_also_when_it_comes_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        usual = server.say

        def drained(op: str, item: Any) -> Any:
            answer = usual(op, item)
            return replace(answer, draining=True) if op == "register" else answer

        server.say = drained
        server.cut()
        await server.until(lambda: len(server.of("register")) == 2, "it comes back")
        await server.assign(job(1, "true"))
        await server.until(lambda: server.of("released"), "it begins nothing")
        server.say = usual
        server.cut()
        await server.until(lambda: len(server.of("register")) == 3, "it comes back again")
        await server.assign(job(2, "true"))
        await server.results(1)


@pytest.mark.parametrize("by", ["a term", "people"])
async def test_what_was_granted_and_could_not_be_begun_is_not_begun_once_no_more_is_taken(
    tmp_path: Path, by: str
) -> None:
    """A bound on the size of files stands in for a full disk: nothing is begun that is not in the journal."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with serving(tmp_path) as (server, worker):
        gate = await runs(server, tmp_path)
        usual = server.say

        def grants(op: str, item: Any) -> Any:
            if op != "start":
                return usual(op, item)
            resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
            return told(item, "go")

        server.say = grants
        try:
            await server.assign(job(2, f"touch {tmp_path}/second"))
            await server.until(lambda: len(server.of("start")) == 2, "it asks")
            beats = len(server.of("heartbeat"))
            await server.until(lambda: len(server.of("heartbeat")) > beats + 2, "it has heard `go`, and lives")
            if by == "people":
                await server.send("drain", Drain(draining=True))
            else:
                os.kill(os.getpid(), signal.SIGTERM)
            beats = len(server.of("heartbeat"))

            def heard() -> bool:
                said = server.of("heartbeat")
                return bool(said[-1].draining) if by == "a term" else len(said) > beats + 2

            await server.until(heard, "it has heard that")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await server.until(lambda: given_back(server) == {(job_id(2), "neverSpawned")}, "it is given back unborn")
        gate.touch()
        await server.results(1)
        if by == "people":
            os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert not (tmp_path / "second").exists()


async def test_at_the_moment_of_a_term_nothing_is_begun_any_more(tmp_path: Path) -> None:
    """Its start was granted, and the answer waits to be heard."""
    async with serving(tmp_path) as (server, worker):
        gate = await runs(server, tmp_path)
        usual = server.say

        def term_first(op: str, item: Any) -> Any:
            if op == "start":
                os.kill(os.getpid(), signal.SIGTERM)
            return usual(op, item)

        server.say = term_first
        await server.assign(job(2, f"touch {tmp_path}/second"))
        await server.until(lambda: server.of("released"), "it is given back while the first runs")
        assert given_back(server) == {(job_id(2), "startedAhead")}, "and that counts for nothing against the job"
        assert not server.of("done")
        gate.touch()
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert not (tmp_path / "second").exists()


@pytest.mark.parametrize("slots", [1, 8])
async def test_so_many_processes_are_ever_made(tmp_path: Path, slots: int) -> None:
    ledger = tmp_path / "ledger"
    async with serving(tmp_path, max_jobs=3, slots=slots) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        assert server.of("register")[0].slots == min(slots, 3)
        await server.assign(*(job(number, f"echo {number} >> {ledger}") for number in range(20)))
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert len(ledger.read_text().splitlines()) == len(server.of("done")) == 3
        assert len(server.of("start")) == 3, "no more are even asked for"
        assert len(given_back(server)) == 17
