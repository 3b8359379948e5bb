"""A worker with a window: configured, joined, started, paused and ended by whoever sits at its machine.

It runs one worker after the other in this process: settings that were saved, or a server that was joined, count from
the next one on, which begins when what runs has ended. Without usable settings none runs, and the window says what is
wrong.
"""

import asyncio
import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from cmdexec.errors import CmdexecError, Refused
from cmdexec.runtime import Runtime
from cmdexec.settings.load import Loaded, SettingsError
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.build import Worker
from cmdexec.worker.ending import Wishes
from cmdexec.worker.joined import has_credential, joined_in
from cmdexec.worker.page.activity import Activity
from cmdexec.worker.page.configuration import Configuration, Field, Problem, Saved, problems_of
from cmdexec.worker.page.jobs import Jobs
from cmdexec.worker.page.tails import Tails
from cmdexec.worker.run import Watch, run_worker, told_by_signals

_FULL = (errno.ENOSPC, errno.EDQUOT)


class AutoStart(Protocol):
    """Starting with the session. Blocking; raises OSError."""

    def set(self, wanted: bool, folder: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Ways:
    """What its start says of it, beside settings.

    own_server  as of `run_worker`
    rejoin      as of `run_worker`, at its first start
    keeps       the same, given the settings of that start
    """

    own_server: Path | None = None
    rejoin: bool = False
    keeps: Callable[[Loaded[WorkerSettings]], Mapping[str, object]] = lambda _loaded: {}


class Host:
    """The one that runs workers.

    base      the settings that it has whatever its settings file says
    loaded    the settings of the present worker, or of the last one
    worker    the present one, once it has been built
    problems  why none can be started: faults of the settings
    server    the address of its server, as far as one is known
    is_new    it has never joined a server
    stopped   why the last one ended, where it did so by itself
    unusable  the faults of the settings as one error, where there are `problems`
    waits     why it has not joined yet, while it goes on trying
    starting  one is being started, or joins
    again     the present one ends so that another begins
    ending    how often it was told to end for good
    paused    its owner wants it to take no jobs
    when_idle  told each time that no worker can go on without somebody's help
    """

    def __init__(
        self, configuration: Configuration, settings: WorkerSettings, auto_start: AutoStart, *, ways: Ways,
        runtime: Runtime,
    ) -> None:  # fmt: skip
        self.configuration, self.base, self.runtime = configuration, settings, runtime
        self.activity = Activity(runtime.clock, settings.window_activity_items)
        self.jobs = Jobs(self.activity, Tails(settings.window_output_bytes), runtime.clock)
        self.loaded: Loaded[WorkerSettings] | None = None
        self.worker: Worker | None = None
        self.problems: list[Problem] = []
        self.stopped: CmdexecError | None = None
        self.unusable: SettingsError | None = None
        self.when_idle: Callable[[], None] = lambda: None
        self.waits: CmdexecError | None = None
        self.server: str | None = None
        self.is_new = self.starting = self.again = self.paused = False
        self.ending = 0
        self._auto_start, self._ways, self._rejoin = auto_start, ways, ways.rejoin
        self._more: dict[str, object] = {}
        self._wishes: Wishes | None = None
        self._moved = asyncio.Event()

    async def run(self, *, ends_process: bool = False) -> int:
        """Run workers until told to end, or until one ends as it was set to; returns 0."""
        told = Wishes()
        told.no_more = self.end
        with told_by_signals(told, ends_process=ends_process), self.activity.hears_the_log():
            async with asyncio.TaskGroup() as tasks:
                heed = tasks.create_task(self._heed(told))
                while not self.ending and await self._next():
                    pass
                heed.cancel()
        return 0

    async def _heed(self, told: Wishes) -> None:
        """The first wish is told at once; here are those after it."""
        seen = 1
        while True:
            await told.came.wait()
            told.came.clear()
            while seen < told.count:
                seen += 1
                self.end()

    async def _next(self) -> bool:
        """Run a worker, or wait until one may be run. Whether another is to follow."""
        self._moved.clear()
        self.again, self.stopped, more = False, None, dict(self._more)
        try:
            loaded = await self.runtime.threads.run(partial(self.configuration.load, more, rejoin=self._rejoin))
        except SettingsError as wrong:
            never_joined, self.server = await self.runtime.threads.run(self._standing)
            unusable = await self.runtime.threads.run(self.configuration.unusable)
            self.is_new = never_joined and not unusable
            self.problems, self.unusable = unusable or problems_of(wrong), wrong
            await self._until_moved()
            return True
        _, joined = await self.runtime.threads.run(self._standing)
        self.server = loaded.settings.server_url or joined
        self.problems, self.unusable, self.is_new, self.loaded = [], None, False, loaded
        for warning in loaded.warnings:
            self.runtime.log.warning(str(warning))
        await self._heed_auto_start(loaded.settings)
        if self._moved.is_set():  # what counts is something else by now
            return True
        try:
            await self._work(loaded)
        except CmdexecError as wrong:
            self.runtime.log.error("this worker ended", error=str(wrong))
            self._more.clear()
            never_joined, _ = await self.runtime.threads.run(self._standing)
            self.stopped, self.is_new = wrong, never_joined and wrong.code == "bad_join_token"
            await self._until_moved()
            return True
        return self.again

    async def _until_moved(self) -> None:
        """There is no worker, and without somebody's help there will be none."""
        self.when_idle()
        await self._moved.wait()

    async def _work(self, loaded: Loaded[WorkerSettings]) -> None:
        self._wishes, self.starting = Wishes(), True
        try:
            await run_worker(
                loaded.settings, self.runtime, own_server=self._ways.own_server, rejoin=self._rejoin,
                keeps=self._ways.keeps(loaded), watch=Watch(self._wishes, self._built, self._waited),
            )  # fmt: skip
        finally:
            self._wishes, self.worker, self.waits, self.starting = None, None, None, False
            self.jobs.forget()

    def _built(self, worker: Worker) -> None:
        """It has joined, if it had to."""
        self.worker, self.waits, self.starting = worker, None, False
        self._rejoin = self.again  # another server was wanted just then
        if not self.again:
            self._more.clear()
        worker.attempts.watcher = self.jobs
        worker.attempts.pause(self.paused)

    def _waited(self, why: CmdexecError) -> None:
        """It goes on trying to join."""
        self.waits = why

    def _standing(self) -> tuple[bool, str | None]:
        """Whether it has never joined a server; and the one that it has joined. Blocking."""
        try:
            joined = joined_in(self.base.data_dir)
            known = joined is not None or has_credential(self.base.data_dir)
        except CmdexecError:
            return False, None
        return not known, None if joined is None else joined.server

    async def _heed_auto_start(self, settings: WorkerSettings) -> None:
        try:
            await self.runtime.threads.run(partial(self._auto_start.set, settings.auto_start, settings.data_dir))
        except OSError as wrong:
            self.runtime.log.warning("AUTO_START cannot be heeded", error=wrong.strerror)

    # What its owner wants --------------------------------------------------------------------------------------------

    def end(self) -> None:
        """End: once lets running jobs end first, twice hands them back, three times kills them."""
        self.ending += 1
        self.again = False
        if self._wishes is not None:
            self._wishes.end()
        self._moved.set()

    def start_again(self) -> int:
        """Begin anew with the settings as they are now, when what runs has ended; how many jobs that waits for."""
        if self._wishes is not None and not self.ending:
            self.again = True
            self._wishes.end_once()
        self._moved.set()
        return len(self.jobs.running())

    def pause(self, paused: bool) -> None:
        """Take no more jobs, or take some again."""
        self.paused = paused
        if self.worker is not None:
            self.worker.attempts.pause(paused)
        said = "paused: no job is begun until you resume" if paused else "resumed: jobs are begun again"
        self.runtime.log.info(said, running=len(self.jobs.running()))

    def try_now(self) -> None:
        """Connect now."""
        if self.worker is not None:
            self.worker.connection.try_now()

    def cancel(self, key: str) -> None:
        """End that attempt. Raises Refused(`not_found`) where none of that key runs."""
        if self.worker is None or not self.worker.attempts.evict(key):
            raise Refused("not_found", "No job of that name runs here any more.")

    def shown(self) -> tuple[list[Field], str | None]:
        """Blocking: the settings of the panel; and as what the next save puts the settings file aside, if it does."""
        try:
            aside = self.configuration.puts_aside(self.base)
        except OSError:
            aside = None  # saving tells of it
        return self.configuration.fields(), None if aside is None else aside.name

    async def save(self, values: Mapping[str, object]) -> tuple[list[Problem], int, str | None]:
        """Save settings, and heed them: what is wrong, or for how many jobs that waits, and as what a settings file
        that could not be read was put aside. Raises CmdexecError."""
        problems, aside = await self._saved(values)
        if problems:
            return problems, 0, None
        name = None if aside is None else aside.name
        said = "" if aside is None else f"; the file that was there could not be read, and is now {aside}"
        self.activity.add("info", f"The configuration was saved{said}")
        only_starts = self.loaded is not None and set(values) == {"auto_start"} and not self.problems
        if only_starts and self.worker is not None:
            loaded = await self.runtime.threads.run(partial(self.configuration.load, {}, rejoin=False))
            self.loaded = loaded
            await self._heed_auto_start(loaded.settings)
            return [], 0, name
        return [], self.start_again(), name

    async def _saved(self, values: Mapping[str, object]) -> Saved:
        call, path = self.runtime.threads.run, self.configuration.path(self.base)
        try:
            return await call(partial(self.configuration.save, self.base, values))
        except OSError as wrong:
            code, mend = "bad_settings", "Make it a file of this user's, in a folder that this user may write to."
            if wrong.errno in _FULL:
                code, mend = "disk_full", "Make room on that disk, and save again."
            raise CmdexecError(code, f"{path} cannot be written: {wrong.strerror}.", mend=mend) from wrong

    async def join(self, server: str | None, token: str, *, allow_host: bool) -> tuple[list[Problem], int]:
        """Join that server, or the one that is known, with `token`, and allow jobs on this machine if they are not yet:
        what is wrong, or for how many jobs that waits. Raises CmdexecError."""
        call = self.runtime.threads.run
        more: dict[str, object] = {"join_token": token, **({"server_url": server} if server else {})}
        problems = await call(partial(self.configuration.refused, more))
        if not token:
            problems = [one for one in problems if one.field != "JOIN_TOKEN"]
            problems.append(Problem("JOIN_TOKEN", "A join code is missing.", "Paste it as a server's page shows it."))
        if not allow_host:
            problems += [one for one in self.problems if one.field == "ALLOW_HOST"]
        if problems:
            return problems, 0
        fields = {one.field: one for one in await call(self.configuration.fields)}
        values: dict[str, object] = {}
        if allow_host and not fields["allow_host"].value:
            values["allow_host"] = True
        if server and fields["server_url"].value not in (None, server):
            values["server_url"] = None  # from now on it is the one that is joined
        if values and (problems := (await self._saved(values)).problems):
            return problems, 0
        self._more, self._rejoin = more, await call(partial(has_credential, self.base.data_dir))
        return [], self.start_again()
