"""A program that runs one job after the other, over a socket that is cut at random bytes and a server that is killed:
each job is there once, and ran once.

Longer: `CMDEXEC_SUBMITS=2000 python -m pytest tests/faults/test_submitting.py`.
"""

import asyncio
import os
import random
from pathlib import Path

import pytest

from cmdexec.client import Access, Client, NewJob
from cmdexec.runtime import system_runtime
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import make
from tests.support.cutting import Cutting, cutting
from tests.support.ledger import Ledger
from tests.support.system import FAST, Server, Worker, ends
from tests.support.waiting import becomes

JOBS = int(os.environ.get("CMDEXEC_SUBMITS", "120"))
KILLS = 3
AT_ONCE = 3


class Program:
    """`over` counts the jobs that were submitted over the socket; the others were by requests."""

    def __init__(self, proxy: Cutting, token: str, command: str) -> None:
        settings = make(
            ClientSettings, retry_first_sec="1ms", retry_max_sec="20ms", tell_after_sec="500ms", patience_sec="60s"
        )
        access = Access(proxy.url, token, "login")
        self._client = Client(lambda: access, settings=settings, runtime=system_runtime("program", 1))
        self._command = command
        self.ids: list[str] = []
        self.over = 0

    async def run(self, count: int) -> None:
        """Run so many, `AT_ONCE` at a time."""
        async with self._client as client, asyncio.TaskGroup() as group:
            waiting = client._waiting
            assert waiting is not None
            submit = waiting.submit

            async def counted(job: NewJob, key: str) -> object:
                view = await submit(job, key)
                self.over += view is not None
                return view

            waiting.submit = counted  # type: ignore[assignment, method-assign]
            for lane in range(AT_ONCE):
                group.create_task(self._lane(client, count // AT_ONCE, lane))

    async def _lane(self, client: Client, count: int, lane: int) -> None:
        for number in range(count):
            view = await client.submit(NewJob(command=self._command, name=f"{lane}-{number}"))
            self.ids.append(view.job_id)
            end = await client.wait(view.job_id)
            assert end.status == "completed", end


@pytest.mark.timeout(60 + JOBS)
def test_each_is_there_once_and_ran_once(tmp_path: Path) -> None:
    rng = random.Random(4711)
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", slots=4, **FAST)
    ledger = Ledger(tmp_path / "ledger")
    with ends(server, worker), cutting(server.port) as proxy:
        worker.start(server.api())
        proxy.budget = lambda: int(2 ** rng.uniform(8, 16))
        program = Program(proxy, str(server.api().token), ledger.says("begin"))

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(program.run(JOBS))
                for kill in range(KILLS):
                    share = JOBS * (kill + 1) // (KILLS + 1)
                    await becomes(lambda share=share: len(program.ids) >= share, f"{share} were submitted", 30 + JOBS)
                    await asyncio.to_thread(lambda: (server.kill9(), server.start()))

        asyncio.run(both())
        stored = {row["jobId"]: row["name"] for row in server.api().ask("GET", "/api/jobs?limit=1000")["jobs"]}
    each = JOBS // AT_ONCE
    assert sorted(stored.values()) == sorted(f"{lane}-{number}" for lane in range(AT_ONCE) for number in range(each))
    assert sorted(stored) == sorted(program.ids)
    assert ledger.count("begin") == dict.fromkeys(program.ids, 1)
    assert proxy.cuts > JOBS // 10, "it was cut often"
    assert program.over > JOBS // 4, "many were submitted over the socket"
