"""What a job gets, and what is said of it."""

from pathlib import Path

from cmdexec.protocol.messages import Assignment
from tests.support.worker import job_id
from tests.support.worker_server import serving


def job(number: int, command: str | tuple[str, ...], **more: object) -> Assignment:
    return Assignment(job_id=job_id(number), attempt=1, command=command, **more)  # type: ignore[arg-type]


async def test_a_job_runs_and_its_output_rides_in_its_result(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        await server.assign(job(1, "echo hello; echo oops >&2; exit 3"))
        (done,) = await server.results(1)
        assert (done.exit_code, done.signal, done.reason) == (3, None, None)
        assert (done.inline.stdout, done.inline.stderr) == (b"hello\n", b"oops\n")
        assert server.of("output") == []
