"""A claim whose answer comes for a session that has been replaced meanwhile: nobody has what it took, so it is dead."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Status
from cmdexec.protocol.messages import Heartbeat, Register
from tests.unit.server.core import Core, Worker, eventually


async def overtaken(server: Core, register: Callable[[], Awaitable[Any]]) -> str:
    """A job that is claimed for the old session after the new one has registered; its id."""
    (job,) = await server.submit()
    old = await server.connect(session="old", instance="old")
    await old.beat()
    claim = server.jobs.claim

    async def late(*args: Any, **named: Any) -> Any:
        await register()
        return await claim(*args, **named)

    server.jobs.claim = late  # type: ignore[method-assign]
    await server.dispatch.give_out()
    server.jobs.claim = claim  # type: ignore[method-assign]
    return job.job_id


async def queued_again(server: Core, job_id: str) -> None:
    async with asyncio.timeout(10):
        while (await server.job(job_id)).status is not Status.QUEUED:
            await asyncio.sleep(0)


@pytest.mark.parametrize("by_socket", [True, False])
async def test_it_is_queued_again_at_once(server: Core, by_socket: bool) -> None:
    async def register() -> None:
        if by_socket:
            await server.connect(session="new", instance="new")
        else:
            message = Register(session="new", instance_id="new", slots=2)
            await server.presence.said.register("w1", message)

    await queued_again(server, await overtaken(server, register))


async def away(*_: object) -> Any:
    raise Unavailable("store_away", "The store is away.")


async def test_the_next_list_settles_it_when_the_store_is_away(server: Core) -> None:
    new: list[Worker] = []
    looked: list[str] = []
    row = server.presence.desk.row

    async def unknown(worker_id: str) -> Any:
        looked.append(worker_id)
        return await away()

    async def register() -> None:
        new.append(await server.connect(session="new", instance="new"))
        server.presence.desk.row = unknown  # type: ignore[method-assign]

    job_id = await overtaken(server, register)
    await eventually(lambda: looked, "it was not looked at")
    server.presence.desk.row = row  # type: ignore[method-assign]
    assert (await server.job(job_id)).status is Status.ASSIGNED
    held_by = server.reads.jobs.held_by
    server.reads.jobs.held_by = away  # type: ignore[assignment,method-assign]
    await new[0].beat()
    assert (await server.job(job_id)).status is Status.ASSIGNED
    server.reads.jobs.held_by = held_by  # type: ignore[method-assign]
    await new[0].beat()
    assert (await server.job(job_id)).status is Status.QUEUED


async def test_a_list_that_comes_without_a_socket_settles_it_too(server: Core) -> None:
    said = server.presence.said
    row = server.presence.desk.row

    async def register() -> None:
        await said.register("w1", Register(session="new", instance_id="new", slots=2))
        server.presence.desk.row = away  # type: ignore[method-assign]

    job_id = await overtaken(server, register)
    server.presence.desk.row = row  # type: ignore[method-assign]
    await said.heartbeat(await said.heard("w1"), Heartbeat(jobs=()))
    assert (await server.job(job_id)).status is Status.QUEUED
