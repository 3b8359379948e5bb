"""Who keeps a worker's place when a process comes that works somewhere else, and when two that do not say where do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cmdexec.errors import Conflict
from cmdexec.link.socket import Close
from cmdexec.model.job import Status
from cmdexec.protocol.messages import Register
from cmdexec.server.workers import clones
from tests.unit.server.core import Core, Sent, Worker, core, eventually

LEASE, HEARTBEAT = 60.0, 10.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Core]:
    async with core(tmp_path, lease_sec=LEASE, heartbeat_sec=HEARTBEAT, clone_replacements=2) as made:
        yield made


async def refused(server: Core, instance: str, place: str | None, **more: str) -> str:
    """The code with which a process is turned away."""
    sent = Sent()
    message = Register(session="s1", instance_id=instance, place=place, **more)
    with pytest.raises(Conflict) as wrong:
        await server.presence.connect("w1", send=sent).register(message)
    assert sent.ended is not None
    assert sent.ended[0] == (Close.REPLACED if wrong.value.code == "cloned" else Close.GOING_AWAY)
    assert [failure.code for failure in sent.items("error")] == [wrong.value.code], "it is told why"
    return wrong.value.code


async def running(server: Core, place: str | None = "home", **more: str) -> tuple[Worker, tuple[str, int]]:
    """A worker that runs a job."""
    await server.submit()
    worker = await server.connect(place=place, **more)
    await worker.beat()
    await server.dispatch.give_out()
    (held,) = worker.assigned()
    await worker.start(held)
    return worker, held


async def test_the_next_process_of_a_place_takes_it_at_once(server: Core) -> None:
    """Only one can hold a folder, so the one before it is dead, whatever its connection looks like."""
    first, held = await running(server)
    second = await server.connect(instance="i2", place="home")
    assert first.sent.ended is not None
    assert first.sent.ended[0] == Close.REPLACED
    assert (await second.beat(held)).cancel == ()
    assert (await server.job(held[0])).status is Status.RUNNING


async def test_a_process_of_another_place_waits_for_the_lease_and_is_a_copy_once_the_first_is_heard(
    server: Core,
) -> None:
    first, held = await running(server)
    for _ in range(6):
        assert await refused(server, "i2", "away") == "conflict", "what is heard may have been said before"
        server.clock.go_on(LEASE / 6)
        await first.beat(held)
    server.clock.go_on(1)
    await first.beat(held)
    assert server.presence.warning("w1") is None
    assert await refused(server, "i3", "away") == "cloned", "it is the place that counts, not the process"
    assert first.sent.ended is None
    warning = server.presence.warning("w1")
    assert warning is not None
    assert "copy" in warning[0]
    server.clock.go_on(server.settings.clone_told_sec + 1)
    assert server.presence.warning("w1") is None


async def test_one_that_has_gone_leaves_its_place_unless_it_runs_something(server: Core) -> None:
    first, held = await running(server)
    first.leave()
    assert await refused(server, "i2", "away") == "conflict"
    again = await server.connect(instance="i1", place="home")
    await again.done(*held)
    again.leave()
    moved = await server.connect(instance="i2", place="away")
    assert await moved.beat()


async def test_after_a_lease_the_place_is_free_and_who_was_silent_gets_it_back(server: Core) -> None:
    first, held = await running(server)
    server.clock.go_on(LEASE + 1)
    other = await server.connect(instance="i2", place="away")
    assert first.sent.ended is not None
    assert first.sent.ended[0] == Close.GOING_AWAY, "it is not told to end"
    first = await server.connect(instance="i1", place="home")
    assert (await first.beat(held)).cancel == ()
    assert other.sent.ended is not None
    server.clock.go_on(1)
    assert await refused(server, "i2", "away") == "conflict"


async def test_the_next_process_at_a_place_that_was_taken_has_no_claim_to_it(server: Core) -> None:
    """Somebody started the old folder again, long after the worker had moved."""
    first, held = await running(server)
    await first.done(*held)
    server.clock.go_on(LEASE + 1)
    first.leave()
    moved = await server.connect(instance="i2", place="away")
    await moved.beat()
    server.clock.go_on(1)
    assert await refused(server, "i3", "home") == "conflict"
    assert moved.sent.ended is None


async def test_a_doubt_of_long_ago_says_nothing_of_one_that_comes_now(server: Core) -> None:
    """A worker elsewhere on the same folder, which takes over when the first one dies."""
    first, held = await running(server)
    assert await refused(server, "i2", "away") == "conflict"
    for _ in range(30):
        server.clock.go_on(HEARTBEAT)
        await first.beat(held)
    assert await refused(server, "i3", "away") == "conflict"
    server.clock.go_on(LEASE + 1)
    assert await server.connect(instance="i3", place="away")


async def test_processes_that_say_no_place_take_each_others_until_that_happens_too_often(server: Core) -> None:
    for number in range(3):
        worker = await server.connect(instance=f"old{number}")
        await worker.beat()
        server.clock.go_on(1)
    assert await refused(server, "old3", None) == "conflict", "two have given way"
    for _ in range(7):
        server.clock.go_on(HEARTBEAT)
        await worker.beat()
    assert await refused(server, "old3", None) == "cloned"
    worker.leave()
    await eventually(lambda: "w1" not in server.presence.desk.members, "it has left")
    assert await server.connect(instance="old4")


async def test_those_that_give_way_seldom_are_processes_of_one_machine(server: Core) -> None:
    for number in range(6):
        worker = await server.connect(instance=f"old{number}")
        await worker.beat()
        server.clock.go_on(server.settings.clone_window_sec / 2 + 1)


BOOTS = b"1" * 16, b"2" * 16
"""Two starts of the server's machine."""


async def after_a_start(
    tmp_path: Path, then: dict[str, str], now: dict[str, str], monkeypatch: pytest.MonkeyPatch, **settings: str
) -> str | None:
    """A worker ran a job beside its server, or not; the server's machine is started anew, and its next process comes
    from another place: None if it is taken at once, and otherwise as what it is refused."""
    monkeypatch.setattr(clones, "boot_id", lambda: BOOTS[0])
    async with core(tmp_path, lease_sec=LEASE, heartbeat_sec=HEARTBEAT, **settings) as before:
        _, held = await running(before, **then)
    monkeypatch.setattr(clones, "boot_id", lambda: BOOTS[1])
    async with core(tmp_path, seed=1, lease_sec=LEASE, heartbeat_sec=HEARTBEAT, **settings) as server:
        try:
            await server.presence.connect("w1", send=Sent()).register(
                Register(session="s1", instance_id="i2", place="home-again", **now)
            )
        except Conflict as wrong:
            return wrong.code
        worker = await server.connect(instance="i2", place="home-again", **now)
        await worker.release(*held, "dead")
        assert (await server.job(held[0])).status is Status.FAILED
        return None


HERE, AGAIN = ({"machine": "m1", "boot": boot.hex()} for boot in BOOTS)


async def test_after_a_start_of_the_machine_that_it_shares_with_its_server_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await after_a_start(tmp_path, HERE, AGAIN, monkeypatch) is None


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (HERE, AGAIN | {"machine": "m2"}),
        (HERE, {"machine": "m1", "boot": "other"}),
        ({"machine": "m1", "boot": "other"}, AGAIN),
        (HERE, {}),
        ({}, AGAIN),
    ],
    ids=["copied to the server's machine", "copied elsewhere", "it ran elsewhere", "it does not say", "it did not say"],
)
async def test_what_is_said_of_a_start_proves_nothing_but_of_the_servers_own_machine(
    then: dict[str, str], now: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await after_a_start(tmp_path, then, now, monkeypatch) == "conflict"
