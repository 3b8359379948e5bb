"""What a worker does before it can start a job: said by its lists, shown with the job, and no longer than it lasts."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fleet import Fleet
from tests.support.server import Running, running
from tests.support.speaker import speaking

IMAGE = {"containerImage": "alpine:3.20"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = {"LIVE_CHECK_SEC": "100ms", "HEARTBEAT_SEC": "20s", "LEASE_SEC": "60s"}
    with running(tmp_path_factory.mktemp("phases"), **settings) as run:
        yield run


def phase(words: str | None) -> dict[str, Any]:
    return {} if words is None else {"phase": words}


async def test_how_far_its_image_is_is_shown_until_it_starts(server: Running) -> None:
    async with Fleet(server, "shown") as fleet:
        sim = await fleet.worker("w", executors=["container"])
        job_id = fleet.submit(**IMAGE)
        ref = await sim.run()
        assert ref["container"] == {"image": "alpine:3.20"}
        for words in ("pulling its image", "pulling its image, 40 %", None):
            (_,) = await sim.speaker.ask("heartbeat", {"jobs": [_named(ref) | phase(words)]})
            job = fleet.api.job(job_id)
            assert (job["status"], job["phase"], job["waitingFor"]) == ("running", words, None)
        await sim.speaker.ask("heartbeat", {"jobs": [_named(ref) | phase("pulling its image, 95 %")]})
        await sim.done(ref)
        assert fleet.api.job(job_id)["phase"] is None


async def test_who_watches_the_job_is_told_how_far_it_is(server: Running) -> None:
    async with Fleet(server, "watched") as fleet:
        sim = await fleet.worker("w", executors=["container"])
        job_id = fleet.submit(**IMAGE)
        ref = await sim.run()
        async with speaking(server.url, server.headers("viewer")) as speaker:
            await speaker.ask("watch", {"what": "job", "jobId": job_id})
            for words in ("pulling its image, 5 %", "pulling its image, 10 %", None):
                await sim.speaker.ask("heartbeat", {"jobs": [_named(ref) | phase(words)]})
                while (await speaker.told("job"))[-1]["phase"] != words:
                    pass
        await sim.done(ref)


async def test_words_about_an_earlier_attempt_are_not_those_of_the_newest(server: Running) -> None:
    async with Fleet(server, "earlier") as fleet:
        sim = await fleet.worker("w", executors=["container"])
        job_id = fleet.submit(**IMAGE)
        ref = await sim.run()
        await sim.speaker.ask("heartbeat", {"jobs": [_named(ref), _named(ref) | {"attempt": 7} | phase("of another")]})
        assert fleet.api.job(job_id)["phase"] is None
        await sim.done(ref)


def _named(ref: dict[str, Any]) -> dict[str, Any]:
    return {"jobId": ref["jobId"], "attempt": ref["attempt"]}
