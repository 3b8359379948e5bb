"""Workers that say anything at all: each frame a thousand times, half of them well formed with extreme values, half
broken. The server stays what it is, and no job comes to be what the table of transitions does not make of it."""

import asyncio
import http.client
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cmdexec.model.job import HISTORY_MAX
from cmdexec.protocol.operations import FRAMES
from tests.api.bad.fuzz import WORKERS_POSTS, Fuzz
from tests.api.bad.row import JOB
from tests.support.server import Running, running
from tests.support.speaker import Speaker, speaking
from tests.support.system import Worker, ends
from tests.unit.model.cells import CELLS, Becomes
from tests.unit.model.states import EVENTS, STATES

TIMES = 1000
WORKERS = 4
SEED = 20_260_301

WALKS = {
    (STATES[state].status.value, EVENTS[event].name, outcome.status.value)
    for event, states in CELLS.items() for state, outcome in states.items() if isinstance(outcome, Becomes)
}  # fmt: skip
"""(status, event, status after), as the cells of the table say, which are written by hand."""


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


def test_as_many_requests_of_workers_do_no_harm(server: Running) -> None:
    """The same over HTTP, five hundred times each: an answer to every one, and none of them a fault of the server."""
    api, rng = server.api("operator"), random.Random(SEED)
    bait = api.create_many([{"command": "true"}] * 50)
    fuzz = Fuzz(rng, [(JOB, 1), *((job_id, attempt) for job_id in bait for attempt in (1, 1, 2))])
    headers = {"x-worker-token": server.shared(workerId="fuzz-http"), "Content-Type": "application/json"}
    odd: list[object] = []
    connection = http.client.HTTPConnection("127.0.0.1", server.process.port, timeout=30)
    for operation, path in WORKERS_POSTS.items():
        for number in range(TIMES // 2):
            if number % 250 == 0:
                for method, way, said in (
                    ("POST", "/api/workers/register", b'{"slots":4,"session":"http","instanceId":"http"}'),
                    ("POST", "/api/workers/heartbeat", b'{"jobs":[]}'), ("GET", "/api/jobs/get-job?max=4", None),
                ):  # fmt: skip
                    connection.request(method, way, said, headers)
                    given = json.loads(connection.getresponse().read() or b"{}").get("jobs", [])
                fuzz.jobs += [(job["jobId"], job["attempt"]) for job in given] * 10
            body = json.dumps(fuzz.item(operation, broken=number % 2 == 1)).encode()
            sent = fuzz.noisy(body) if number % 4 == 3 else body
            connection.request("POST", path, sent, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read() or b"{}")
            if answer.status not in (200, 400, 403, 404, 409, 413, 422, 426) or (answer.status >= 400) != (
                "error" in told
            ):
                odd.append((operation, sent[:300], answer.status, told))
    connection.close()
    assert odd == []
    assert [(job["jobId"], step) for job in api.jobs(bait) for step in odd_steps(job)] == []
    runs_jobs(server)


def but_history(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name != "history"}


def odd_steps(job: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The steps of a job's history that no cell of the table has."""
    lines = job["history"]
    assert lines[-1]["status"] == job["status"]
    if len(lines) >= HISTORY_MAX:
        lines = lines[1:]  # what came after the first is not kept
    steps = [(line["status"], after["event"], after["status"]) for line, after in pairwise(lines)]
    return [step for step in steps if step not in WALKS and not (step[1] == "superseded" and step[0] == step[2])]


def runs_jobs(server: Running) -> None:
    """A worker of ours still does its work."""
    api = server.api("operator")
    worker = Worker(server.process, "ours")
    with ends(worker):
        worker.start(api)
        job_ids = api.create_many([{"command": f"echo {number}"} for number in range(5)])
        assert [job["status"] for job in api.wait_ended(job_ids, 20)] == ["completed"] * 5
        assert [api.output(job_id) for job_id in job_ids] == [f"{number}\n".encode() for number in range(5)]
        assert worker.stop() == 0
