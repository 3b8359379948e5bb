"""Reading stored output, in pieces."""

from collections.abc import AsyncIterator

from cmdexec.server.output.measures import READ_BYTES
from cmdexec.store.contract.output import Output


class OutputReader:
    """Streams by (job, attempt, `stdout` or `stderr`). An attempt that never began has no bytes."""

    def __init__(self, output: Output) -> None:
        self._output = output

    async def size(self, job_id: str, attempt: int, stream: str) -> int:
        """How many bytes are stored."""
        (row,) = await self._output.rows([(job_id, attempt)])
        return 0 if row is None else row.end(stream)

    async def read(
        self, job_id: str, attempt: int, stream: str, start: int, end: int | None
    ) -> AsyncIterator[bytes]:  # fmt: skip
        """The bytes from `start` up to `end` (None: as far as they are stored when that is reached), in pieces of at
        most 256 KiB."""
        while end is None or start < end:
            most = READ_BYTES if end is None else min(READ_BYTES, end - start)
            data = await self._output.read(job_id, attempt, stream, start, most)
            if not data:
                return
            start += len(data)
            yield data
