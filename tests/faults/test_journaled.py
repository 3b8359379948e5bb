"""No process is made before the journal says that it will be: else the next process of the worker would not know of it
and say `neverSpawned` of a job that ran (promise 3)."""

import resource
from pathlib import Path
from typing import Any

from cmdexec.protocol.messages import Assignment
from tests.support.worker import job_id
from tests.support.worker_server import serving, told


async def test_granted_while_the_journal_cannot_be_written_it_starts_when_it_can(tmp_path: Path) -> None:
    """A bound on the size of files, set at the moment of `go`, stands in for a full disk."""
    ledger, limits = tmp_path / "ledger", resource.getrlimit(resource.RLIMIT_FSIZE)
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        usual = server.say

        def grants(op: str, item: Any) -> Any:
            if op != "start":
                return usual(op, item)
            resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
            return told(item, "go")

        server.say = grants
        try:
            await server.assign(Assignment(job_id=job_id(1), attempt=1, command=f"echo ran >> {ledger}"))
            await server.until(lambda: server.of("start"), "it asks")
            beats = len(server.of("heartbeat"))
            await server.until(lambda: len(server.of("heartbeat")) > beats + 2, "it has heard `go`, and lives")
            assert not ledger.exists()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await server.results(1)
        assert ledger.read_text() == "ran\n"
