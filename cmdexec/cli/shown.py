"""A job shown on this terminal: its bytes as they come, why nothing comes, and why it runs again."""

from contextlib import aclosing, suppress

from cmdexec.cli.outcome import OWN_FAILURE, Outcome, as_sentence, outcome
from cmdexec.cli.printer import Printer
from cmdexec.cli.told import tell
from cmdexec.cli.worded import said_here
from cmdexec.client import Client, Ended, NewAttempt, Piece, Start, follow
from cmdexec.errors import CmdexecError
from cmdexec.protocol.requests import JobView

_LOOK_AGAIN = 5
"""Times `tell_after_sec`: how often a job that was told of is looked at again."""


class Shown:
    """One job; `job_id` is None until there is one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._printer = Printer()
        self.job_id: str | None = None
        self._pieces = 0

    async def to_its_end(self, job_id: str, start: Start | None = None) -> JobView:
        """Write its output to standard output and standard error, and return the job as it ended.

        Raises OSError when that cannot be written: BrokenPipeError when nobody reads it; CmdexecError as `follow`.
        """
        self.job_id = job_id
        async with aclosing(follow(self._client, job_id, start)) as events:
            async for event in events:
                match event:
                    case Piece():
                        self._pieces += 1
                        await self._printer.write(event.stream, event.data)
                    case NewAttempt() if event.run > 1:
                        tell(_runs_again(event))
                    case Ended():
                        return event.job
        raise AssertionError("following ends with the job's end")

    async def say_what_for(self) -> None:
        """Say why nothing comes of the job, whenever there is a reason and it is another one. What writes is not asked
        after; how far an image has come is asked after more often."""
        told, wait = None, self._client.settings.tell_after_sec
        while True:
            known = self._pieces
            await self._client.runtime.clock.sleep(wait)
            if self.job_id is None:
                told = self._say_that_nothing_is_answered(told)
                continue
            wait = _LOOK_AGAIN * self._client.settings.tell_after_sec
            if self._pieces > known:
                continue
            with suppress(CmdexecError):  # whatever is wrong is told by what follows the job
                job = await self._client.status(self.job_id, patient=False)
                if job.phase is not None:
                    wait = self._client.settings.tell_after_sec
                    if job.phase != told:
                        told = job.phase
                        tell(as_sentence(told))
                elif job.waiting_for is not None and job.waiting_for != told:
                    told = job.waiting_for
                    tell(_what_for(told, job.waiting_mend))

    def _say_that_nothing_is_answered(self, told: str | None) -> str | None:
        asked = self._client.asked
        if asked is not None and asked != told:
            tell(f"Waiting for the server at {asked} to answer.")
        return asked or told


def told_end(job: JobView, *, name_it: bool) -> int:
    """Say how the job ended, as far as its output does not; the code to end with.

    `name_it`: name a job that cmdexec failed, so that it can be found again.
    """
    end: Outcome = outcome(job)
    for sentence in end.says:
        tell(sentence)
    if end.code == OWN_FAILURE and job.reason != "exit" and name_it:
        tell(f"The job's id is {job.job_id}.")
        if job.reason == "worker":
            tell(f"`cmdexec rerun {job.job_id}` runs it again; with `--on-lost requeue` that happens by itself.")
    return end.code


def _runs_again(event: NewAttempt) -> str:
    ended = as_sentence(f"run {event.run - 1} ended: {event.why}") if event.why else ""
    return f"{ended} The job runs again; this is run {event.run}.".lstrip()


def _what_for(waiting_for: str, mend: str | None) -> str:
    """One line; what is waited for goes on in lower case behind the colon."""
    said = as_sentence(f"waiting: {said_here(waiting_for)}")
    return f"{said} {as_sentence(said_here(mend))}" if mend else said
