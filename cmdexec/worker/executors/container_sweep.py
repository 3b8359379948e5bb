"""Removing the containers of a data folder that are no job's any more."""

from collections.abc import Callable, Set
from functools import partial

from cmdexec.worker.executors.container_shape import OWNER
from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.engine_calls import EngineCalls
from cmdexec.worker.executors.engine_found import names_of
from cmdexec.worker.executors.engine_stream import EngineRefusedError


class Sweep:
    """What an earlier process left, and what an engine made or kept that was too slow, or whose connection broke: it
    may make one after it was asked to remove it. So they are looked for again and again.

    wanted  the names of the containers that are to stay, at that moment
    """

    def __init__(self, works: Works, wanted: Callable[[], Set[str]]) -> None:
        self._works, self._wanted = works, wanted
        self._told: set[str] = set()

    async def run(self, engine: EngineCalls) -> None:
        """Once. What cannot be removed now is the next time."""
        works = self._works
        label, bound = f"{OWNER}={works.labels.owner}", works.settings.engine_call_sec
        try:
            names = await works.call(partial(names_of, engine.engine, label, bound))
        except OSError as wrong:
            self._tell("", "nobody knows whether containers are left that are no job's any more", str(wrong))
            return
        self._told &= {"", *names}
        for name in names:
            if name not in self._wanted():  # that name never comes back, so it is not wanted later
                await self._remove(engine, name)

    async def _remove(self, engine: EngineCalls, name: str) -> None:
        try:
            await self._works.call(partial(engine.remove, name))
        except (OSError, EngineRefusedError) as wrong:
            self._tell(name, f"container {name} is no job's any more, but cannot be removed yet", str(wrong))
            return
        self._works.log.info("removed a container that is no job's any more", container=name)
        self._works.keeper.let_container_go(name)

    def _tell(self, what: str, words: str, why: str) -> None:
        """Once for each."""
        if what not in self._told:
            self._told.add(what)
            self._works.log.warning(words, error=why)
