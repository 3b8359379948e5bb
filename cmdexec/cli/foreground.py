"""A job in the foreground: submitted, shown on this terminal, ended by Ctrl-C, and its code for the shell."""

import asyncio

from cmdexec.cli.interrupts import Interrupts
from cmdexec.cli.outcome import CANCELLED, NOBODY_READS, OWN_FAILURE
from cmdexec.cli.shown import Shown, told_end
from cmdexec.cli.told import tell, tell_error
from cmdexec.client import Client
from cmdexec.errors import CmdexecError
from cmdexec.protocol.requests import JobView, NewJob


class Foreground:
    """One job of one person. The first Ctrl-C (or SIGTERM) asks the job to end, the second leaves at once; the first
    leaves soon where no server takes the job.

    outlives   whether the job goes on when this ends before it
    """

    def __init__(self, client: Client, job: NewJob, *, outlives: bool = True) -> None:
        self._client = client
        self._asked_for = job
        self._outlives = outlives
        self._shown = Shown(client)
        self._interrupts = Interrupts(leave_at=2)

    async def run(self) -> int:
        """The code to end with. Raises CmdexecError when cmdexec fails."""
        return await self._interrupts.heed(self._with_interrupts, self._left)

    def _left(self) -> int:
        self._say_what_goes_on()
        return CANCELLED

    async def _with_interrupts(self) -> int:
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._end_it()), group.create_task(self._shown.say_what_for())]
                code = await self._to_its_end()
                for task in beside:
                    task.cancel()
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return code

    async def _end_it(self) -> None:
        """Ask the job to end when the person does."""
        await self._interrupts.first.wait()
        if self._shown.job_id is None:
            tell("The job is ended as soon as the server has taken it; press Ctrl-C again to leave at once.")
        else:
            tell("Asking the job to end; press Ctrl-C again to leave at once.")
            await self._ask_to_end(self._shown.job_id)

    def _say_what_goes_on(self) -> None:
        """So that the job can be found again by whoever leaves it or loses it."""
        if self._shown.job_id is not None and self._outlives:
            tell(f"The job may still run; `cmdexec attach {self._shown.job_id}` shows it again.")

    async def _ask_to_end(self, job_id: str) -> None:
        try:
            await self._client.cancel(job_id)
        except CmdexecError as wrong:
            tell_error(wrong)

    async def _submitted(self) -> JobView | None:
        """The job; None where the person wants its end and no server has taken it within `leave_after_sec` of that.

        Tries go on so long: one before may have been taken, whose answer was lost, and the next one finds that job.
        """

        async def leave() -> None:
            await self._interrupts.first.wait()
            await self._client.runtime.clock.sleep(self._client.settings.leave_after_sec)
            raise TimeoutError

        try:
            async with asyncio.TaskGroup() as group:
                leaving = group.create_task(leave())
                submitted = await self._client.submit(self._asked_for)
                leaving.cancel()
        except ExceptionGroup as several:
            if isinstance(several.exceptions[0], TimeoutError):
                return None
            raise several.exceptions[0] from None
        return submitted

    async def _to_its_end(self) -> int:
        submitted = await self._submitted()
        if submitted is None:
            rest = " If it has the job, `cmdexec jobs` shows it." if self._outlives else ""
            tell(f"The server has not answered in time, so this is left.{rest}")
            return CANCELLED
        job_id = self._shown.job_id = submitted.job_id
        if self._interrupts.first.is_set():
            await self._ask_to_end(job_id)
        try:
            ended = await self._shown.to_its_end(job_id)
        except BrokenPipeError:
            await self._ask_to_end(job_id)
            return NOBODY_READS
        except OSError as wrong:
            tell(f"The job's output cannot be written here: {wrong.strerror}. So the job is asked to end.")
            await self._ask_to_end(job_id)
            return OWN_FAILURE
        except CmdexecError as wrong:
            if not self._outlives:  # a server of its own is gone for good: there is nothing to be advised
                tell_error(wrong)
                return OWN_FAILURE
            self._say_what_goes_on()
            raise
        return told_end(ended, name_it=self._outlives)


class Attached:
    """A job that somebody else started, shown here. Whatever ends this, the job goes on.

    tail   how many of the bytes that are there already are shown of each stream; None: all of them
    """

    def __init__(self, client: Client, job_id: str, *, tail: int | None = None) -> None:
        self._client = client
        self._job_id = job_id
        self._tail = tail
        self._shown = Shown(client)
        self._interrupts = Interrupts(leave_at=1)

    async def run(self) -> int:
        """The code to end with: the job's. Raises CmdexecError when cmdexec fails."""
        return await self._interrupts.heed(self._beside, self._left)

    def _left(self) -> int:
        tell(f"The job goes on; `cmdexec attach {self._job_id}` shows it again.")
        return CANCELLED

    async def _beside(self) -> int:
        try:
            async with asyncio.TaskGroup() as group:
                saying = group.create_task(self._shown.say_what_for())
                code = await self._to_its_end()
                saying.cancel()
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return code

    async def _to_its_end(self) -> int:
        start = None if self._tail is None else await self._client.start_of_tail(self._job_id, self._tail)
        try:
            ended = await self._shown.to_its_end(self._job_id, start)
        except BrokenPipeError:
            return NOBODY_READS
        except OSError as wrong:
            tell(f"The job's output cannot be written here: {wrong.strerror}. The job goes on.")
            return OWN_FAILURE
        return told_end(ended, name_it=False)
