"""Many jobs, submitted in batches that the server takes all or none; the ids are printed as each is taken."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from cmdexec.cli.job_file import LINE_MAX, Line
from cmdexec.cli.printer import Printer
from cmdexec.cli.told import tell
from cmdexec.cli.worded import counted

if TYPE_CHECKING:
    from cmdexec.client import Client
    from cmdexec.protocol.requests import JobView

BATCH_MAX = 1000


class Batches:
    """One submission of a file. The same key and the same file make the same batches, so repeating it is safe.

    key   each batch has it, with its number behind it
    """

    def __init__(self, lines: Sequence[Line], key: str, *, as_json: bool) -> None:
        self._lines = lines
        self._key = key
        self._as_json = as_json
        self._taken = 0
        self._told = False

    async def submit(self, client: "Client") -> None:
        """Submit all and print the ids. Raises CmdexecError, and OSError when ids cannot be printed."""
        printer, told_at = Printer(), client.runtime.clock.elapsed()
        for number, batch in enumerate(_cut(self._lines), 1):
            views = await client.submit_all([line.job for line in batch], key=f"{self._key}-{number}")
            self._taken += len(batch)
            await printer.write("stdout", b"".join(self._line(view) for view in views))
            now, left = client.runtime.clock.elapsed(), len(self._lines) - self._taken
            if left and sys.stderr.isatty() and now - told_at > client.settings.tell_after_sec:
                told_at = now
                tell(f"{self._taken:,} of {len(self._lines):,} jobs are submitted.")
        if sys.stderr.isatty():
            tell(f"{counted(self._taken, 'job')} submitted.")

    def _line(self, view: "JobView") -> bytes:
        return (msgspec.json.encode(view) if self._as_json else view.job_id.encode()) + b"\n"

    def tell_how_far(self, *, sure: bool, unseen: bool = False) -> None:
        """What was submitted and how to go on. `sure`: the server has refused the batch, so none of it was taken.
        `unseen`: ids of what was taken could not be printed."""
        rest = self._lines[self._taken :]
        if not rest:
            if unseen:
                tell(
                    f"{counted(self._taken, 'job')} submitted. The same command with `--key {self._key}` prints what "
                    "could not be printed, and submits nothing twice."
                )
            return
        before = f"those before {rest[0].called} {rest[0].number}"
        known = f"{self._taken:,} of {len(self._lines):,} jobs are submitted, {before}"
        if not self._taken:
            known = "None of the jobs is known to be submitted" if not sure else "None of the jobs is submitted"
        unsure = "" if sure or not self._taken else "; whether the next ones are is not known"
        more = f" The same command with `--key {self._key}` submits the rest, and nothing twice."
        tell(f"{known}{unsure}.{'' if sure and not self._taken else more}")


def _cut(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    """Batches that the server takes: by number, and by length of what is sent."""
    begin, length = 0, 0
    for place, line in enumerate(lines):
        if place > begin and (place - begin == BATCH_MAX or length + line.length + 1 > LINE_MAX):
            yield lines[begin:place]
            begin, length = place, 0
        length += line.length + 1
    yield lines[begin:]
