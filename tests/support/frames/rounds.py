"""Many cases side by side against one server: all say their next step, all answers are waited for and compared."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.support.api import Api
from tests.support.frames.script import NAMES, Asked, Case, Piece, Step
from tests.support.frames.wire import Wire, by_key
from tests.support.server import Running
from tests.support.speaker import speaking
from tests.support.system import FAST, Server

SETTINGS = FAST | {
    "LEASE_SEC": "120s", "HEARTBEAT_SEC": "20s", "DUE_SWEEP_SEC": "50ms", "RECALL_AFTER_SEC": "100s",
    "SUSPECT_AFTER_SEC": "100s",
}  # fmt: skip
"""No lease ends, and nothing is taken back: what becomes of a job depends on what is said of it alone."""

_BLOCK = 8
"""So many cases say their step in one breath, mixed with each other."""

_SLOTS = 10_000


class Pair:
    """Both workers, connected."""

    def __init__(self, api: Api, wires: dict[str, Wire]) -> None:
        self.api = api
        self.wires = wires

    @property
    def frames(self) -> int:
        """How many were sent."""
        return sum(wire.frames for wire in self.wires.values())

    async def round(self, cases: Sequence[Case], seed: int) -> None:
        """From the submission of their jobs to the end of all. Fails with the story of one that went wrong."""
        rng = random.Random(seed)
        specs = [_spec(case) for case in cases]
        job_ids = await asyncio.to_thread(self.api.create_many, specs)
        for case, job_id in zip(cases, job_ids, strict=True):
            case.job_id = job_id
        by_id = {case.job_id: case for case in cases}
        await self._given(by_id)
        lists_at = rng.randrange(1, 4)
        number = 0
        while any(not case.over for case in cases):
            number += 1
            await self._step([case for case in cases if not case.over], by_id, rng)
            if number == lists_at:
                await self._list(cases, rng)

    async def _step(self, cases: Sequence[Case], by_id: dict[str, Case], rng: random.Random) -> None:
        steps = [case.step() for case in cases]
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, wire in self.wires.items():
                    blocks = [_block(steps[at : at + _BLOCK], name, rng) for at in range(0, len(steps), _BLOCK)]
                    tasks.create_task(wire.say(blocks, rng))
            for wire in self.wires.values():
                await wire.settled()
            for step in steps:
                self._acknowledged(step)
        except AssertionError as wrong:
            told = [case for case in cases if case.job_id in str(wrong)][:1]
            stories = "".join(f"\nseed {case.seed}, {case.job_id}:\n{case.story()}" for case in told)
            raise AssertionError(f"{wrong}{stories}") from wrong
        for wire in self.wires.values():
            wire.acks.clear()
        await self._given(by_id)

    def _acknowledged(self, step: Step) -> None:
        for (name, key), pieces in by_key(step.pieces).items():
            ack = self.wires[name].acks.get(key)
            assert ack is not None, f"{name} has heard nothing of its output of {key}"
            tells = {one.tell for one in pieces}
            assert ack.get("tell", "ok") in tells, f"{name} was told {ack}, which is none of {tells}"
            ends = pieces[-1].ends
            told = ack.get("stdout", 0), ack.get("stderr", 0)
            assert ends is None or told == ends, f"{name} was told {ack}, and {ends} is stored"

    async def _given(self, by_id: dict[str, Case]) -> None:
        """Wait until those that wait are given away, and give none away that do not."""
        waiting = {job_id for job_id, case in by_id.items() if case.model.state == "waiting"}
        one = self.wires[NAMES[0]]

        def all_given() -> bool:
            for wire in self.wires.values():
                for item in wire.given:
                    case = by_id[item["jobId"]]
                    case.model.claimed(wire.name, item["attempt"])
                    waiting.discard(case.job_id)
                wire.given.clear()
            return not waiting

        await one.until(all_given, f"{len(waiting)} jobs are given away")

    async def _list(self, cases: Sequence[Case], rng: random.Random) -> None:
        """Both name all that they hold, and some that they do not: those they are told to end."""
        for name, wire in self.wires.items():
            held = [case for case in cases if case.model.state in ("assigned", "running")]
            mine = [(case.job_id, case.model.attempt) for case in held if case.model.now.holder == name]
            known = [(case.job_id, n) for case in cases for n in (*case.model.tries, case.model.attempt + 4)]
            others = [key for key in known if key not in set(mine)]
            wrong = rng.sample(others, min(20, len(others)))
            await wire.holds([*mine, *wrong], wrong)


def _spec(case: Case) -> dict[str, Any]:
    return {"command": "true", "maxRetries": case.retries, "backoff": {"firstSec": 0}}


def _block(steps: Sequence[Step], name: str, rng: random.Random) -> tuple[list[Piece], list[Asked]]:
    """What one worker says of several jobs, mixed; of each job in its order."""
    pieces = [[one for one in step.pieces if one.by == name] for step in steps]
    asked = [[one for one in step.asked if one.by == name] for step in steps]
    return _mixed(pieces, rng), _mixed(asked, rng)


def _mixed(several: list[list[Any]], rng: random.Random) -> list[Any]:
    order = [place for place, one in enumerate(several) for _ in one]
    rng.shuffle(order)
    each = [iter(one) for one in several]
    return [next(each[place]) for place in order]


@asynccontextmanager
async def pair(server: Server) -> AsyncIterator[Pair]:
    """Both workers at that server, each with an attempt that runs as long as it is connected."""
    api = server.api()
    async with AsyncExitStack() as stack:
        wires, news = {}, asyncio.Event()
        for name in NAMES:
            token = Running(server).shared(workerId=name)
            speaker = await stack.enter_async_context(speaking(server.url, {"x-worker-token": token}))
            await speaker.ask(
                "register", {"slots": _SLOTS, "session": f"spool-{name}", "instanceId": name, "labels": {"is": name}}
            )
            await speaker.ask("heartbeat", {"jobs": []})
            wires[name] = wire = Wire(name, speaker, news)
            stack.push_async_callback(wire.close)
            job_id = api.create({"command": "true", "requires": {"is": name}})["jobId"]
            await wire.until(lambda wire=wire: wire.given, "its own job")
            wire.given.clear()
            await wire.begin({"jobId": job_id, "attempt": 1})
        yield Pair(api, wires)
        for wire in wires.values():
            await wire.end()
