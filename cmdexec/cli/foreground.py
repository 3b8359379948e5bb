"""A job in the foreground: submitted, followed on this terminal, ended by Ctrl-C, and its code for the shell."""

import asyncio
import signal
from contextlib import aclosing, suppress

from cmdexec.cli.outcome import CANCELLED, NOBODY_READS, OWN_FAILURE, outcome
from cmdexec.cli.printer import Printer
from cmdexec.cli.told import tell, tell_error
from cmdexec.client import Client, Ended, Piece, follow
from cmdexec.errors import CmdexecError
from cmdexec.protocol.requests import JobView, NewJob

_LOOK_AGAIN = 5
"""Times `tell_after_sec`: how often a job that was told of is looked at again."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Foreground:
    """One job of one person. The first Ctrl-C (or SIGTERM) asks the job to end, the second leaves at once.

    outlives   whether the job goes on when this ends before it
    """

    def __init__(self, client: Client, job: NewJob, *, outlives: bool = True) -> None:
        self._client = client
        self._asked_for = job
        self._outlives = outlives
        self._printer = Printer()
        self._job: JobView | None = None
        self._interrupts = 0
        self._first = asyncio.Event()

    async def run(self) -> int:
        """The code to end with. Raises CmdexecError when cmdexec fails."""
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._interrupted, me)
        try:
            return await self._with_interrupts()
        except asyncio.CancelledError:
            if self._interrupts < 2 or me is None:
                raise
            me.uncancel()
            self._say_what_goes_on()
            return CANCELLED
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _interrupted(self, me: "asyncio.Task[int] | None") -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            self._first.set()
        elif self._interrupts == 2 and me is not None:
            me.cancel()

    async def _with_interrupts(self) -> int:
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._heed()), group.create_task(self._say_what_for())]
                code = await self._to_its_end()
                for task in beside:
                    task.cancel()
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return code

    async def _heed(self) -> None:
        """Ask the job to end when the person does."""
        await self._first.wait()
        if self._job is None:
            tell("The job is ended as soon as the server has taken it; press Ctrl-C again to leave at once.")
        else:
            tell("Asking the job to end; press Ctrl-C again to leave at once.")
            await self._ask_to_end(self._job)

    async def _say_what_for(self) -> None:
        """Say why nothing comes of the job, whenever there is a reason and it is another one."""
        told, wait = None, self._client.settings.tell_after_sec
        while True:
            await self._client.runtime.clock.sleep(wait)
            if self._job is None:
                told = self._say_that_nothing_is_answered(told)
                continue
            wait = _LOOK_AGAIN * self._client.settings.tell_after_sec
            with suppress(CmdexecError):  # whatever is wrong is told by what follows the job
                job = await self._client.status(self._job.job_id, patient=False)
                if job.waiting_for is not None and job.waiting_for != told:
                    told = job.waiting_for
                    tell(f"Waiting: {told}.")

    def _say_that_nothing_is_answered(self, told: str | None) -> str | None:
        asked = self._client.asked
        if asked is not None and asked != told:
            tell(f"Waiting for the server at {asked} to answer.")
        return asked or told

    def _say_what_goes_on(self) -> None:
        """So that the job can be found again by whoever leaves it or loses it."""
        if self._job is not None and self._outlives:
            tell(f"The job may still run; its id is {self._job.job_id}.")

    async def _ask_to_end(self, job: JobView) -> None:
        try:
            await self._client.cancel(job.job_id)
        except CmdexecError as wrong:
            tell_error(wrong)

    async def _to_its_end(self) -> int:
        self._job = job = await self._client.submit(self._asked_for)
        if self._first.is_set():
            await self._ask_to_end(job)
        try:
            ended = await self._print(job.job_id)
        except BrokenPipeError:
            await self._ask_to_end(job)
            return NOBODY_READS
        except OSError as wrong:
            tell(f"The job's output cannot be written here: {wrong.strerror}. So the job is asked to end.")
            await self._ask_to_end(job)
            return OWN_FAILURE
        except CmdexecError as wrong:
            tell_error(wrong)
            self._say_what_goes_on()
            return OWN_FAILURE
        end = outcome(ended)
        for sentence in end.says:
            tell(sentence)
        if end.code == OWN_FAILURE and ended.reason != "exit" and self._outlives:
            tell(f"The job's id is {ended.job_id}.")
        return end.code

    async def _print(self, job_id: str) -> JobView:
        async with aclosing(follow(self._client, job_id)) as events:
            async for event in events:
                if isinstance(event, Piece):
                    await self._printer.write(event.stream, event.data)
                elif isinstance(event, Ended):
                    return event.job
                elif event.run > 1:
                    tell(f"The job runs again; this is run {event.run}.")
        raise AssertionError("following ends with the job's end")
