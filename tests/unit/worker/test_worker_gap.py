"""A server that lacks output which was sent says so, and gets it again: while the job runs, not only when it ends."""

import sys
from pathlib import Path

from cmdexec.protocol.messages import Assignment, OutputHeader
from tests.support.worker import job_id
from tests.support.worker_server import serving

WINDOW = 64 * 1024
SIZE = 10 * WINDOW
COMMAND = (sys.executable, "-I", "-c", f"import os; os.write(1, b'0123456789' * {SIZE // 10})")


async def test_what_got_lost_on_the_way_is_sent_again_when_the_server_says_what_it_has(tmp_path: Path) -> None:
    """Without that a job that fills the window would stand still for ever."""
    async with serving(tmp_path, output_window_bytes=WINDOW) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        keep, lost = server._add, []

        def lose(header: OutputHeader, new: bytes) -> None:
            lost.append(len(new))

        server._add, server.acks = lose, False  # type: ignore[method-assign]
        await server.assign(Assignment(job_id=job_id(1), attempt=1, command=COMMAND))
        await server.until(lambda: lost and len(server.of("output")) == 4, "the window is full, and all of it was lost")
        server._add, server.acks = keep, True  # type: ignore[method-assign]
        about = OutputHeader(job_id=job_id(1), attempt=1, stream="stdout", offset=0)
        await server.send("ack", server.ack_of(about, "resend", code="output_gap"))
        (done,) = await server.results(1)
        assert done.exit_code == 0
        assert server.bytes_of(job_id(1)) == b"0123456789" * (SIZE // 10)
