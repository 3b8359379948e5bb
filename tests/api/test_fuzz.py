"""Workers that say anything at all: each frame a thousand times, half of them well formed with extreme values, half
broken. The server stays what it is, and no job comes to be what the table of transitions does not make of it."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cmdexec.protocol.operations import FRAMES
from tests.api.bad.fuzz import Fuzz
from tests.api.bad.row import JOB
from tests.api.bad.walks import odd_steps, runs_jobs
from tests.support.server import Running, running
from tests.support.speaker import Speaker, speaking

TIMES = 1000
WORKERS = 4
SEED = 20_260_301

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """One for each test: what the other left in the queue would be given out first."""
    with running(tmp_path, LEASE_SEC="5m", UPGRADE_TIMEOUT_SEC="10s") as run:
        yield run


class Held:
    """A worker that does no wrong: it holds jobs all the while, and reads what it is told."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self.running: list[str] = []
        self.ended: list[str] = []

    async def take(self, job_ids: list[str]) -> None:
        await self._speaker.ask("register", {"slots": 40, "session": "good", "instanceId": "good"})
        await self._speaker.ask("heartbeat", {"jobs": []})
        given: list[str] = []
        while len(given) < len(job_ids):
            given += [job["jobId"] for job in await self._speaker.told("assign")]
        told = await self._speaker.ask("start", *({"jobId": job_id, "attempt": 1} for job_id in given))
        assert {one["tell"] for one in told} == {"go"}
        half = len(given) // 2
        assert {one["tell"] for one in await self.end(given[:half])} == {"ok"}
        self.ended, self.running = given[:half], given[half:]

    async def end(self, job_ids: list[str]) -> list[dict[str, Any]]:
        whole = {"stdout": {"bytes": 3}, "stderr": {"bytes": 0}}
        items = [
            {"jobId": job_id, "attempt": 1, "exitCode": 0, "output": whole, "inline": {"stdout": "b2sK"}}
            for job_id in job_ids
        ]
        return await self._speaker.ask("done", *items)

    async def beat(self) -> None:
        """It is still there, and says what it holds."""
        held = [{"jobId": job_id, "attempt": 1} for job_id in self.running]
        assert await self._speaker.ask("heartbeat", {"jobs": held})


Counts = Counter[tuple[str, bool]]
"""How often each frame was said, well formed and (True) broken."""


async def talk(server: Running, name: str, fuzz: Fuzz, rng: random.Random, counts: Counts) -> None:
    """Session after session of one worker, until each frame was said often enough."""
    async with aiohttp.ClientSession(headers={"x-worker-token": server.shared(workerId=name)}) as http:
        while wanted := [(op, broken) for op in FRAMES for broken in (False, True) if counts[op, broken] * 2 < TIMES]:
            async with http.ws_connect(f"{server.url}/ws", max_msg_size=0) as ws:
                listening = asyncio.create_task(listen(ws, fuzz))
                with suppress(ConnectionError):
                    if rng.random() < 0.4:
                        spool = {"session": f"{name}-{rng.randrange(3)}", "instanceId": str(rng.randrange(10**9))}
                        await ws.send_str(json.dumps({"op": "register", "items": [{"slots": 2} | spool]}))
                        await ws.send_str('{"op":"heartbeat","items":[{"jobs":[]}]}')
                    well_formed = [op for op, broken in wanted if not broken]
                    for op in rng.choices(well_formed, k=30) if well_formed else ():
                        await say(ws, fuzz.message(op, broken=False))
                        counts[op, False] += 1
                    if broken_ones := [op for op, broken in wanted if broken]:
                        counts[op := rng.choice(broken_ones), True] += 1
                        await say(ws, fuzz.message(op, broken=True))
                    await ws.send_str('{"op":"enough"}')
                code = await asyncio.wait_for(listening, 10)
                assert code in (1001, 1006, 4400, 4403, 4408, 4409, 4413), code


async def say(ws: aiohttp.ClientWebSocketResponse, message: str | bytes) -> None:
    await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))


async def listen(ws: aiohttp.ClientWebSocketResponse, fuzz: Fuzz) -> int:
    """Note which jobs it is given; how the socket ended."""
    async for message in ws:
        for frame in json.loads(message.data):
            if frame.get("op") == "assign":
                fuzz.jobs += [(job["jobId"], job["attempt"]) for job in frame["items"]]
    return ws.close_code or 0


async def test_a_thousand_of_each_frame_do_no_harm(server: Running) -> None:
    api = server.api("operator")
    counts: Counter[tuple[str, bool]] = Counter()
    async with speaking(server.url, server.headers("worker")) as speaker:
        good = Held(speaker)
        await good.take(api.create_many([{"command": "true"}] * 40))
        bait = api.create_many([{"command": "true"}] * 300)
        before = api.jobs(good.ended + good.running)
        fuzzes = [
            Fuzz(random.Random(SEED + number), [(JOB, 1), *((job_id, 1) for job_id in good.ended + good.running)])
            for number in range(WORKERS)
        ]
        talking = {
            asyncio.create_task(talk(server, f"fuzz-{n}", fuzz, random.Random(SEED - n), counts))
            for n, fuzz in enumerate(fuzzes)
        }
        while talking:
            over, talking = await asyncio.wait(talking, timeout=1)
            for one in over:
                await one
            await good.beat()
        assert min(counts[op, broken] for op in FRAMES for broken in (False, True)) * 2 >= TIMES
        after = api.jobs(good.ended + good.running)
        assert [but_history(job) for job in after] == [but_history(job) for job in before]
        assert {told["tell"] for told in await good.end(good.running)} == {"ok"}
    for job in api.jobs(good.ended + good.running):
        assert (job["status"], job["exitCode"], job["attempt"], api.output(job["jobId"])) == (
            "completed",
            0,
            1,
            b"ok\n",
        )
    given = [job for job in api.jobs(bait) if job["attempt"]]
    assert len(given) > 100, "the workers that say anything had jobs of their own"
    assert [(job["jobId"], odd) for job in api.jobs(bait) for odd in odd_steps(job)] == []
    runs_jobs(server)


def but_history(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name != "history"}
