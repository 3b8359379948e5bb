"""Fifty queues: of each, why the job waits is said, and what is said to end that starts it."""

from collections.abc import Iterator

import pytest

from tests.api.queues import QUEUES, Queue
from tests.support.fleet import Fleet
from tests.support.server import Running, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = {"LEASE_SEC": "60s", "HEARTBEAT_SEC": "20s", "DUE_SWEEP_SEC": "50ms"}
    with running(tmp_path_factory.mktemp("waiting"), **settings) as run:
        yield run


def test_there_are_fifty_of_them() -> None:
    assert len({queue.__doc__ for queue in QUEUES}) == len(QUEUES) >= 50


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: str(queue.__name__))
async def test_it_says_why_the_job_waits_and_what_it_says_starts_it(server: Running, queue: Queue) -> None:
    async with Fleet(server, str(getattr(queue, "__name__", ""))) as fleet:
        await queue(fleet)
