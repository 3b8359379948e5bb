"""Long output through a server's core, in a process of its own: prints what memory it took at most, in KiB.

python long_output.py FOLDER MEBIBYTES
"""

import asyncio
import hashlib
import resource
import sys
from pathlib import Path

from cmdexec.protocol.messages import Done, OutputDone, StreamDone
from cmdexec.server.output import JobEnded, Piece
from tests.unit.server.core import Core, Worker, core

PIECE = 512 * 1024


async def write(server: Core, worker: Worker, job_id: str, size: int) -> str:
    """Send `size` bytes, no two pieces the same; returns the digest of all."""
    digest = hashlib.sha256()
    seed = bytes(range(256)) * (PIECE // 256)
    for number in range(size // PIECE):
        data = number.to_bytes(8, "big") + seed[8:]
        digest.update(data)
        await worker.output(job_id, 1, number * PIECE, data)
        worker.sent.frames.clear()
    return digest.hexdigest()


async def follow(server: Core, job_id: str) -> str:
    """Follow the job to its end; returns the digest of what came."""
    digest = hashlib.sha256()
    async for event in server.follower.follow(job_id):
        if isinstance(event, Piece):
            digest.update(event.data)
        if isinstance(event, JobEnded):
            return digest.hexdigest()
    raise AssertionError("no end came")


async def main(folder: Path, size: int) -> None:
    async with core(folder) as server, asyncio.timeout(120):
        (job,) = await server.submit()
        worker = await server.connect()
        await worker.beat()
        await server.dispatch.give_out()
        await worker.start((job.job_id, 1))
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(follow(server, job.job_id))
            written = await write(server, worker, job.job_id, size)
            named = OutputDone(stdout=StreamDone(bytes=size, digest=written))
            (told,) = await worker.ask("done", Done(job_id=job.job_id, attempt=1, exit_code=0, output=named))
        assert (told.tell, told.code) == ("ok", None), told
        assert following.result() == written
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) << 20))
