"""What a server knows of workers that are connected to others, and what it leaves to them."""

import pytest

from cmdexec.model.job import Status
from cmdexec.notify.contract import There, WorkerJoined, WorkersThere
from cmdexec.protocol.messages import Held, Register
from cmdexec.server.jobs import Holder
from cmdexec.server.workers import PollingMember
from cmdexec.server.workers.elsewhere import KEEP_SEC
from tests.unit.server.core import Core

ME = Holder("w1", "s1")


def there(worker_id: str = "w1", free_slots: int = 1) -> There:
    return There(worker_id, 2, free_slots, free_slots, takes=True, able=True, ready=True)


def test_what_another_server_says_is_good_for_a_while_and_until_it_says_otherwise(server: Core) -> None:
    elsewhere = server.presence.desk.elsewhere
    server.notify.publish(WorkersThere("other", (there("w1"), there("w2"))))
    assert elsewhere.of("w1") == there("w1")
    server.notify.publish(WorkersThere("third", (), ("w1",)))
    assert elsewhere.of("w1") is not None, "it is not the third one's to say"
    server.notify.publish(WorkersThere("other", (there("w2", 0),), ("w1",)))
    assert (elsewhere.of("w1"), elsewhere.of("w2")) == (None, there("w2", 0))
    server.clock.go_on(KEEP_SEC)
    elsewhere.tidy()
    assert elsewhere.of("w2") is None


def test_what_the_store_lets_guess_gives_way_to_what_a_server_says(server: Core) -> None:
    elsewhere = server.presence.desk.elsewhere
    elsewhere.guessed([there("w1", 0), there("w2", 0)], 10)
    server.notify.publish(WorkersThere("other", (there("w1", 2),)))
    assert (elsewhere.of("w1"), elsewhere.of("w2")) == (there("w1", 2), there("w2", 0))
    elsewhere.guessed([], 10)
    assert elsewhere.of("w2") is None


def test_a_server_does_not_take_its_own_workers_for_anothers(server: Core) -> None:
    server.notify.publish(WorkersThere(server.presence.server, (there("w1"),)))
    assert server.presence.elsewhere("w1") is None


async def test_a_worker_that_joins_another_server_is_let_go(server: Core) -> None:
    worker = await server.connect()
    server.notify.publish(WorkerJoined("w1", server.presence.server))
    assert worker.sent.ended is None
    server.notify.publish(WorkerJoined("w1", "other"))
    assert worker.sent.ended is not None
    assert server.presence.view() == {}


@pytest.mark.parametrize("also", [False, True])
async def test_an_attempt_is_not_judged_while_another_server_has_its_polling_worker_too(
    server: Core, also: bool
) -> None:
    """It comes to several servers in turn: what it says of the attempt may be said there."""
    said = server.presence.said
    await said.register("w1", Register(session="s1", instance_id="i1"))
    await server.submit()
    (job,) = await server.claim(ME)
    member = await said.heard("w1")
    assert isinstance(member, PollingMember)
    await said.start(member, [Held(job_id=job.job_id, attempt=1)])
    server.clock.go_on(server.presence.desk.lease.lease_sec + 1)
    if also:
        server.notify.publish(WorkersThere("other", (there("w1"),)))
    await said.heard("w1")
    await said._see_to(member)
    assert (await server.job(job.job_id)).status is (Status.RUNNING if also else Status.UNKNOWN)
