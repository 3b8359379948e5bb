"""Storing output, and saying that it is there."""

from collections.abc import Sequence

from cmdexec.notify.contract import Notify, OutputGrew
from cmdexec.server.output.measures import Measures
from cmdexec.store.contract.output import Append, Appended, Output


class Appender:
    """Stores pieces of output in one commit, hashes what was new, and publishes it."""

    def __init__(self, *, output: Output, measures: Measures, notify: Notify) -> None:
        self._output = output
        self._measures = measures
        self._notify = notify

    async def append(self, appends: Sequence[Append]) -> list[Appended]:
        """What became of each, once that is on stable storage.

        Raises Unavailable: what was stored is not known, and the same may be sent again.
        """
        results = await self._output.append(appends)
        for append, done in zip(appends, results, strict=True):
            if done.row is None:
                continue
            data = append.data[len(append.data) - done.stored :]
            self._measures.passed(done.row, append.stream, data)
            if data:
                end = done.row.end(append.stream)
                self._notify.publish(OutputGrew(append.job_id, append.attempt, append.stream, end, data))
        return results
