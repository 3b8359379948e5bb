"""A worker's process connects again and again: what comes late of an earlier connection takes nothing from a newer."""

import asyncio
from typing import Any

import pytest

from cmdexec.errors import Conflict
from cmdexec.link.socket import Close
from cmdexec.protocol.messages import AskJobs, Register
from cmdexec.server.workers import PollingMember
from tests.unit.server.core import Core, Sent, eventually


def register(connection: int, instance: str = "i1", **more: Any) -> Register:
    return Register(session="s1", instance_id=instance, connection=connection, **more)


def transport(server: Core) -> str:
    return server.presence.desk.members["w1"].transport


async def test_a_late_register_by_http_leaves_the_socket_of_its_process_alone(server: Core) -> None:
    worker = await server.connect(connection=2)
    with pytest.raises(Conflict, match="late") as late:
        await server.presence.said.register("w1", register(1))
    assert late.value.code == "conflict"
    assert worker.sent.ended is None
    assert transport(server) == "socket"
    await server.presence.said.register("w1", register(2))
    await server.presence.said.register("w1", register(3))
    assert transport(server) == "polling"


async def test_a_late_register_of_a_socket_leaves_the_polls_of_its_process_alone(server: Core) -> None:
    said = server.presence.said
    await said.register("w1", register(2))
    sent = Sent()
    with pytest.raises(Conflict):
        await server.presence.connect("w1", send=sent).register(register(1))
    assert sent.ended is not None
    assert sent.ended[0] == Close.GOING_AWAY, "it is not told that another process has its place"
    assert isinstance(await said.asks("w1", "i1", 2), PollingMember)


async def test_a_process_that_connects_again_is_not_told_to_end(server: Core) -> None:
    """Not even by one that gives its connections no number."""
    for connection in (0, 1):
        worker = await server.connect(connection=connection)
        await server.presence.said.register("w1", register(connection))
        assert worker.sent.ended == (Close.GOING_AWAY, "The worker has connected again.")
    worker = await server.connect(connection=2)
    other = await server.connect(instance="i2", connection=1)
    assert worker.sent.ended[0] == Close.REPLACED
    assert other.sent.ended is None
    with pytest.raises(Conflict) as replaced:
        await server.presence.said.register("w1", register(9))
    assert replaced.value.code == "replaced"


async def test_who_asks_for_jobs_over_a_newer_connection_polls(server: Core) -> None:
    """So a `register` that a proxy let through late, when its socket was given up, does not keep it from its jobs."""
    said = server.presence.said
    await said.register("w1", register(1, slots=3))
    (job,) = await server.submit()
    late = await server.connect(connection=2, slots=3)
    await late.beat()
    assert await said.asks("w1", "i1", 1) is None
    assert await said.asks("w1", "i1") is None, "it does not say which connection it is"
    assert await said.asks("w1", None, 3) is None, "nor which process"
    assert late.sent.ended is None
    member = await said.asks("w1", "i1", 3)
    assert isinstance(member, PollingMember)
    assert late.sent.ended is not None
    assert late.sent.ended[0] == Close.GOING_AWAY
    assert (member.slots, transport(server)) == (3, "polling")
    with pytest.raises(Conflict):
        await server.presence.connect("w1", send=Sent()).register(register(2, slots=3))
    assert await said.asks("w1", "i1", 1) is None, "it is late itself"
    assert await said.asks("w1", "i1", 3) is member

    asked = asyncio.create_task(server.presence.polls.ask(member, AskJobs(claim="a", wait=5), asyncio.Event().wait))
    await eventually(lambda: member.mailbox.poll, "it waits")
    await server.dispatch.give_out()
    given = await asked
    assert given is not None
    assert [one.job_id for one in given.jobs] == [job.job_id]


async def test_a_request_over_a_newer_connection_makes_an_earlier_register_late(server: Core) -> None:
    said = server.presence.said
    await said.register("w1", register(1))
    member = await said.asks("w1", "i1", 3)
    assert server.presence.desk.members["w1"] is member
    with pytest.raises(Conflict):
        await server.presence.connect("w1", send=Sent()).register(register(2))
    with pytest.raises(Conflict, match="Another process"):
        await said.asks("w1", "i2", 9)
