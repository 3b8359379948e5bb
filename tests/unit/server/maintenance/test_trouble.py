"""A store that is away is told of once by each loop, however often that looks."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from cmdexec.server.maintenance import Forget, Overdue
from tests.contract.engines import HandClock
from tests.unit.server.core import core


class Enough(Exception):
    """The loop has turned as often as was asked for."""


@dataclass
class Turns(HandClock):
    """A clock by which nobody sleeps more than `left` times."""

    left: int = 20

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self.left -= 1
        if self.left <= 0:
            raise Enough


@pytest.mark.parametrize(
    ("loop", "told"),
    [(Overdue, "what is due could not be looked through"), (Forget, "what is old could not be forgotten")],
)
async def test_a_store_that_is_away_is_told_of_once(
    loop: type[Overdue] | type[Forget], told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Turns()

    def warned() -> int:
        return sum((one.getMessage(), one.levelno) == (told, logging.WARNING) for one in caplog.records)

    async with core(tmp_path, clock=clock) as server:
        service = loop(reads=server.reads, jobs=server.jobs, runtime=server.runtime, settings=server.settings)

        async def turn(times: int) -> None:
            clock.left = times
            with pytest.raises(Enough):
                await service.run()

        with caplog.at_level(logging.DEBUG, logger="cmdexec.test"):
            await turn(3)
            assert warned() == 0
            await server.store.close()
            await turn(20)
            assert warned() == 1
            assert sum(one.getMessage() == told for one in caplog.records) >= 19, "for debugging each time"
