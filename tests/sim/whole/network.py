"""Who can reach whom: opens wires, and breaks them."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import aiohttp

from cmdexec.errors import CmdexecError, Unavailable
from tests.sim.whole.server import Process
from tests.sim.whole.wires import FAST, End, Seen, Wire


class Network:
    """Between the workers of `world` and its server. `cut`: the workers that reach nobody; `blocked`: those for whom
    something in between lets no socket through, but HTTP; `calls`: the answers that each waits for; `slow`: how long a
    message takes with each, where that is not as usual."""

    def __init__(self, world: Any, seen: Seen | None) -> None:
        self.world = world
        self.cut: set[str] = set()
        self.blocked: set[str] = set()
        self.calls: dict[str, list[asyncio.Future[Any]]] = {}
        self.slow: dict[str, tuple[float, float]] = {}
        self.wires: dict[str, list[Wire]] = {}
        self._seen = seen
        self._rng = random.Random(f"{world.seed} network")

    async def open(self, name: str, token: str) -> End:
        """A socket of that worker. Raises CmdexecError."""
        self.passes(name)
        answer: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.world.after(self._rng.uniform(*FAST), self._arrives, name, token, answer)
        return await answer

    def passes(self, name: str) -> None:
        """Raises Unavailable where no socket gets through."""
        if name in self.blocked:
            wrong = aiohttp.ClientError("something in between answered")
            raise Unavailable("server_away", "No socket gets through.") from wrong

    def later(self, name: str, callback: Callable[..., object], *args: Any) -> None:
        """After the time that a message takes."""
        self.world.after(self._rng.uniform(*self.slow.get(name, FAST)), callback, *args)

    def hang_up(self, answer: "asyncio.Future[Any]") -> None:
        """Whoever waits for it hears that the connection is gone."""
        if not answer.done():
            answer.set_exception(aiohttp.ClientConnectionError("the connection is gone"))

    def _arrives(self, name: str, token: str, answer: "asyncio.Future[End]") -> None:
        process: Process | None = self.world.server.process
        if name in self.cut:
            return  # nobody answers: it is not waited for for ever
        if process is None or process.parts is None:
            self._answer(answer, Unavailable("server_away", "Nothing answers."))
            return
        rng = random.Random(self._rng.getrandbits(64))
        wire = Wire(self.world.loop, rng, (name, "server"), ping_sec=2.0, seen=self._seen)
        wire.slow = self.slow.get(name, FAST)
        process.node.spawn(self._upgrade(process, wire, name, token, answer), "upgrade")

    async def _upgrade(
        self, process: Process, wire: Wire, name: str, token: str, answer: "asyncio.Future[End]"
    ) -> None:
        try:
            await process.serve(wire.server, token)
        except CmdexecError as wrong:
            self.world.outside(self._answer, answer, wrong)
            return
        self.wires[name] = [*self._of(name), wire]
        self.world.outside(self._answer, answer, wire.worker)

    def _answer(self, answer: "asyncio.Future[End]", told: End | Exception) -> None:
        def arrive() -> None:
            if answer.done():
                return
            if isinstance(told, End):
                answer.set_result(told)
            else:
                answer.set_exception(told)

        self.world.after(self._rng.uniform(*FAST), arrive)

    def server_is_gone(self) -> None:
        """The system closes what it had open."""
        for name in {**self.wires, **self.calls}:
            self.worker_is_gone(name)

    def worker_is_gone(self, name: str) -> None:
        for wire in self._of(name):
            wire.break_off(soon=self._rng.random() < 0.8)
        for answer in self.calls.get(name, ()):
            self.later(name, self.hang_up, answer)

    def block(self, name: str, blocked: bool) -> None:
        """Whether sockets get through for that worker."""
        if blocked:
            self.blocked.add(name)
            self.worker_is_gone(name)
        else:
            self.blocked.discard(name)

    def _of(self, name: str) -> list[Wire]:
        """Its wires that are whole: an older one may be left of which one end does not know yet."""
        return [wire for wire in self.wires.get(name, ()) if not wire.broken]

    def cut_off(self, name: str, cut: bool) -> None:
        """The worker reaches nobody, until it does again."""
        if cut:
            self.cut.add(name)
            self.worker_is_gone(name)
        else:
            self.cut.discard(name)

    def slow_down(self, name: str, slow: tuple[float, float] | None) -> None:
        """Its messages take that long, from now on."""
        if slow is None:
            self.slow.pop(name, None)
        else:
            self.slow[name] = slow
        for wire in self._of(name):
            wire.slow = slow or FAST

    def silence(self, name: str, way: str, seconds: float) -> None:
        """Nothing passes that way for so long."""
        for wire in self._of(name):
            wire.silence(wire.up if way == "up" else wire.down, seconds)
