"""People's programs that say anything at all over their sockets, half of it well formed, half broken: whoever watches
beside them is told all the same, and the server stays what it is."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from cmdexec.protocol.watching import DOWN, UP
from tests.api.bad.fuzz import Fuzz
from tests.api.bad.row import JOB
from tests.api.bad.walks import runs_jobs
from tests.support.server import Running, running
from tests.support.speaker import speaking

TIMES = 500
PEOPLE = ("viewer", "operator", "janitor")
SEED = 20_260_411

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, LIVE_WORKERS_SEC="50ms") as run:
        yield run


async def talk(server: Running, who: str, fuzz: Fuzz, rng: random.Random, counts: Counter[tuple[str, bool]]) -> None:
    """Socket after socket of one person, until each frame was said often enough."""
    async with aiohttp.ClientSession(headers=server.headers(who)) as http:
        while wanted := [(op, broken) for op in UP for broken in (False, True) if counts[op, broken] * 2 < TIMES]:
            async with http.ws_connect(f"{server.url}/ws", max_msg_size=0) as ws:
                listening = asyncio.create_task(listen(ws))
                with suppress(ConnectionError):
                    for op in rng.choices([op for op, broken in wanted if not broken] or list(UP), k=20):
                        await say(ws, fuzz.message(op, broken=False))
                        counts[op, False] += 1
                    op = rng.choice([op for op, broken in wanted if broken] or list(UP))
                    counts[op, True] += 1
                    await say(ws, fuzz.message(op, broken=True))
                    await ws.send_str('{"op":"enough"}')
                assert await asyncio.wait_for(listening, 10) in (1006, 4400, 4413)


async def say(ws: aiohttp.ClientWebSocketResponse, message: str | bytes) -> None:
    await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))


async def listen(ws: aiohttp.ClientWebSocketResponse) -> int:
    """Nothing is told but what may be; how the socket ended."""
    async for message in ws:
        for frame in json.loads(message.data):
            assert "re" in frame or frame["op"] in ("error", *DOWN), frame
    return ws.close_code or 0


async def test_five_hundred_of_each_frame_do_no_harm(server: Running) -> None:
    api = server.api("operator")
    job_ids = api.create_many([{"command": "true", "requires": {"fuzz": "nobody has it"}}] * 50)
    counts: Counter[tuple[str, bool]] = Counter()
    named = [(JOB, 1), *((job_id, 1) for job_id in job_ids)]
    async with speaking(server.url, server.headers("viewer")) as good:
        assert await good.ask("watch", *({"what": "job", "jobId": job_id} for job_id in job_ids)) == [{}] * 50
        await asyncio.gather(*(
            talk(server, who, Fuzz(random.Random(SEED + n), named), random.Random(SEED - n), counts)
            for n, who in enumerate(PEOPLE)
        ))  # fmt: skip
        assert min(counts[op, broken] for op in UP for broken in (False, True)) * 2 >= TIMES
        for job_id in job_ids:
            api.cancel(job_id)
        open_ids = set(job_ids)
        while open_ids:
            open_ids -= {job["jobId"] for job in await good.told("job") if job["status"] == "cancelled"}
    runs_jobs(server)
    log = server.process.log.read_text()
    assert " error " not in log
    assert "Traceback" not in log
