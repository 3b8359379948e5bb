"""Jobs that are large, and lists that are long, over real sockets with narrow bounds."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.server import mint
from tests.support.speaker import Speaker, speaking
from tests.support.system import FAST, Server, ends

NARROW = {"MAX_FRAME_BYTES": "64KiB", "SOCKET_QUEUE_BYTES": "128KiB"}


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, **FAST)
    with ends(server):
        yield server


def token(server: Server) -> dict[str, str]:
    now = int(time.time())
    return {"x-worker-token": mint(server.secret, {"workerId": "w1", "iat": now, "exp": now + 3600})}


def submitted(api: Api, count: int, size: int) -> list[str]:
    jobs = [{"command": ["true"], "env": {"X": "x" * size}} for _ in range(count)]
    return [job["jobId"] for job in api.ask("POST", "/api/jobs/create", jobs)["jobs"]]


async def join(speaker: Speaker, slots: int) -> None:
    await speaker.ask("register", {"slots": slots})
    await speaker.ask("heartbeat", {"jobs": []})


async def assigned(speaker: Speaker, count: int) -> list[str]:
    jobs: list[str] = []
    while len(jobs) < count:
        jobs += [job["jobId"] for job in await speaker.told("assign")]
    return jobs


async def test_jobs_larger_than_the_queue_together_reach_their_worker_and_again_when_it_returns(narrow: Server) -> None:
    narrow.environment |= NARROW
    ids = submitted(narrow.start().api(), 40, 25_000)
    for _ in range(2):
        async with speaking(narrow.url, token(narrow)) as speaker:
            await join(speaker, 40)
            assert await assigned(speaker, 40) == ids
            assert speaker.closed is None


async def test_a_job_larger_than_a_message_fails_alone_and_the_server_goes_on(narrow: Server) -> None:
    """It was taken when messages were allowed to be larger."""
    api = narrow.start().api()
    (large,) = submitted(api, 1, 100_000)
    narrow.stop()
    narrow.environment |= NARROW
    api = narrow.start().api()
    (small,) = submitted(api, 1, 10)
    async with speaking(narrow.url, token(narrow)) as speaker:
        await join(speaker, 2)
        assert await assigned(speaker, 1) == [small]
        await speaker.ask("heartbeat", {})
    narrow.must_run()
    job = api.job(large)
    assert (job["status"], job["reason"]) == ("failed", "start")
    assert "MAX_FRAME_BYTES" in job["message"]


async def test_a_long_list_of_unknown_attempts_is_answered(narrow: Server) -> None:
    narrow.start()
    held = [{"jobId": f"{number:036x}", "attempt": 1} for number in range(9000)]
    async with speaking(narrow.url, token(narrow)) as speaker:
        await join(speaker, 10_000)
        (beat,) = await speaker.ask("heartbeat", {"jobs": held})
        assert beat["leaseSec"] == 3
        stops = [order["jobId"] for order in await speaker.told("stop")]
        assert stops == [one["jobId"] for one in held]
        tolds = await speaker.ask("start", *held)
        assert [told["tell"] for told in tolds] == ["stop"] * 9000
        assert speaker.closed is None
