"""How long a call waits before it is made again."""

from dataclasses import replace

import pytest

from cmdexec.client.patience import Patience
from cmdexec.errors import Unavailable
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import make
from tests.contract.engines import HandClock
from tests.support.worker import inline_runtime


class Recorded(HandClock):
    """It notes how long it was slept, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def waits(retry_after: float, code: str, **settings: object) -> list[float]:
    """Of a hundred callers that were sent away in the same moment."""
    clock = Recorded()
    runtime = replace(inline_runtime(), clock=clock)
    values = make(ClientSettings, **({"retry_first_sec": 0.001} | settings))
    for _ in range(100):
        await Patience(values, runtime).wait(Unavailable(code, "No.", retry_after=retry_after))
    return clock.slept


@pytest.mark.parametrize(("retry_after", "longest"), [(60.0, 66.0), (5.0, 6.0), (1.0, 2.0), (0.2, 0.4)])
async def test_those_sent_away_until_the_same_moment_do_not_all_come_back_in_it(
    retry_after: float, longest: float
) -> None:
    slept = await waits(retry_after, "too_many")
    assert min(slept) >= retry_after
    assert max(slept) <= longest
    assert max(slept) - min(slept) > (longest - retry_after) / 2
    assert len({*slept}) > 90


async def test_the_patience_that_is_left_is_not_passed_by_that() -> None:
    assert set(await waits(60.0, "too_many", patience_sec=60)) == {60.0}


async def test_a_server_that_names_no_time_is_asked_again_when_it_proposes() -> None:
    assert set(await waits(1.0, "store_away")) == {1.0}
