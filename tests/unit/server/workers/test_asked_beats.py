"""How often workers are asked to say that they live: less often where there are many, but three times in a lease."""

from pathlib import Path

import pytest

from tests.unit.server.core import core

LEASE, USUAL = 60.0, 10.0


@pytest.mark.parametrize(("wanted", "asked"), [(1.0, LEASE / 3), (4.0, 15.0), (6.0, USUAL), (500.0, USUAL)])
async def test_many_workers_are_asked_for_fewer(tmp_path: Path, wanted: float, asked: float) -> None:
    async with core(tmp_path, lease_sec=LEASE, heartbeat_sec=USUAL, heartbeat_rate_max=wanted) as server:
        workers = [await server.connect(f"w{number}", f"s{number}", f"i{number}") for number in range(60)]
        beats = [await worker.beat() for worker in workers]
        assert {(beat.lease_sec, beat.heartbeat_sec) for beat in beats} == {(LEASE, asked)}
        for worker in workers[1:]:
            worker.leave()
        assert (await workers[0].beat()).heartbeat_sec == min(asked, USUAL), "as soon as there are few"
