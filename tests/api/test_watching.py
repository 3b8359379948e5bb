"""`/ws` for people: what they watch is told as it changes, to whom may see it, in order, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.server import Running, running
from tests.support.speaker import Speaker, speaking

NOBODYS = "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"
NEVER = {"watching": "nobody has it"}


@asynccontextmanager
async def watching(server: Running, *items: dict[str, Any], who: str = "viewer") -> AsyncIterator[Speaker]:
    async with speaking(server.url, server.headers(who)) as speaker:
        if items:
            assert await speaker.ask("watch", *items) == [{}] * len(items)
        yield speaker


async def until_told(speaker: Speaker, op: str, job_id: str, status: str) -> list[dict[str, Any]]:
    """All states of the job that were told until it stands so."""
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["status"] != status:
        seen += [item for item in await speaker.told(op) if item.get("jobId") == job_id]
    return seen


async def run_one(server: Running, job_id: str, *, session: str, out: str = "b2s=") -> None:
    """A worker takes the job, runs it, and gives back whatever else it was given."""
    async with speaking(server.url, server.headers("worker")) as worker:
        await worker.ask("register", {"slots": 100, "session": session, "instanceId": session})
        await worker.ask("heartbeat", {"jobs": []})
        given: dict[str, int] = {}
        while job_id not in given:
            given |= {job["jobId"]: job["attempt"] for job in await worker.told("assign")}
        about = {"jobId": job_id, "attempt": given.pop(job_id)}
        assert [told["tell"] for told in await worker.ask("start", about)] == ["go"]
        whole = {"stdout": {"bytes": 2}, "stderr": {"bytes": 0}}
        await worker.ask("done", about | {"exitCode": 0, "output": whole, "inline": {"stdout": out}})
        if given:
            back = [{"jobId": one, "attempt": n, "why": "neverSpawned"} for one, n in given.items()]
            await worker.ask("released", *back)


async def test_a_job_is_told_as_it_stands_and_with_each_change_until_its_end(server: Running) -> None:
    api = server.api()
    job_id = api.create({"command": "true", "priority": 100})["jobId"]
    async with watching(server, {"what": "job", "jobId": job_id}) as speaker:
        (first,) = await speaker.told("job")
        assert first == api.job(job_id)
        await run_one(server, job_id, session="watched")
        seen = await until_told(speaker, "job", job_id, "completed")
        assert seen[-1] == api.job(job_id)
        order = ["queued", "assigned", "running", "completed"]
        places = [order.index(job["status"]) for job in seen]
        assert places == sorted(places), "a job went back to how it stood before"
        lengths = [len(job["history"]) for job in seen]
        assert lengths == sorted(set(lengths)), "the same state was told twice"


async def test_rows_begin_with_the_newest_and_go_on_with_what_changes(server: Running) -> None:
    api = server.api()
    old = api.create({"command": "old", "requires": NEVER})["jobId"]
    async with watching(server, {"what": "jobs"}) as speaker:
        first: list[str] = []
        while old not in first:
            first += [row["jobId"] for row in await speaker.told("jobs")]
        new = api.create({"command": "new", "requires": NEVER})["jobId"]
        await until_told(speaker, "jobs", new, "queued")
        api.cancel(old)
        seen = await until_told(speaker, "jobs", old, "cancelled")
        listed = {row["jobId"]: row for row in api.ask("GET", "/api/jobs?limit=100")["jobs"]}
        assert seen[-1] == listed[old]
        await speaker.ask("unwatch", {"what": "jobs"})
        speaker.heard.clear()
        api.cancel(new)
        assert await speaker.ask("watch", {"what": "job", "jobId": new}) == [{}]
        assert (await speaker.told("job"))[0]["status"] == "cancelled"
        assert not [frame for frame in speaker.heard if frame.get("op") == "jobs"]


async def test_many_changes_in_a_moment_are_told_as_few_rows(server: Running) -> None:
    api = server.api()
    async with watching(server, {"what": "jobs"}) as speaker:
        job_ids = api.create_many([{"command": str(n), "requires": NEVER} for n in range(50)])
        for job_id in job_ids:
            api.cancel(job_id)
        told: dict[str, list[str]] = {}
        while [told.get(job_id, [""])[-1] for job_id in job_ids] != ["cancelled"] * 50:
            for row in await speaker.told("jobs"):
                told.setdefault(row["jobId"], []).append(row["status"])
        assert all(told[job_id] in (["cancelled"], ["queued", "cancelled"]) for job_id in job_ids)


async def test_workers_are_told_when_they_come_and_go(server: Running) -> None:
    async with watching(server, {"what": "workers"}) as speaker:
        assert {one["workerId"] for one in await speaker.told("workers")} >= {"fired-1"}
        async with speaking(server.url, server.headers("another worker")) as worker:
            await worker.ask("register", {"slots": 7, "session": "seen", "instanceId": "seen"})
            await worker_told(speaker, "another-worker-1", "online")
        gone = await worker_told(speaker, "another-worker-1", "offline")
        assert gone["slots"] == 7


async def worker_told(speaker: Speaker, worker_id: str, state: str) -> dict[str, Any]:
    while True:
        for one in await speaker.told("workers"):
            if (one["workerId"], one["state"]) == (worker_id, state):
                return one  # type: ignore[no-any-return]


async def test_each_item_is_judged_by_itself(server: Running) -> None:
    job_id = server.api().create({"command": "true", "requires": NEVER})["jobId"]
    async with watching(server) as speaker:
        answers = await speaker.ask(
            "watch", {"what": "job", "jobId": NOBODYS}, {"what": "job"}, {"what": "jobs", "jobId": job_id},
            {"what": "job", "jobId": job_id}, {"what": "job", "jobId": job_id},
        )  # fmt: skip
        assert [answer.get("code") for answer in answers] == ["not_found", "invalid_field", "invalid_field", None, None]
        assert answers[0]["message"] == f"There is no job {NOBODYS}."
        assert [job["jobId"] for job in await speaker.told("job")] == [job_id]
        assert await speaker.ask("unwatch", {"what": "job", "jobId": job_id}, {"what": "workers"}) == [{}, {}]


async def test_who_may_see_nothing_watches_nothing(server: Running) -> None:
    job_id = server.api().create({"command": "true", "requires": NEVER})["jobId"]
    async with watching(server, who="janitor") as speaker:
        items = [{"what": "job", "jobId": job_id}, {"what": "jobs"}, {"what": "workers"}]
        for op in ("watch", "unwatch"):
            answers = await speaker.ask(op, *items)
            assert [answer["code"] for answer in answers] == ["forbidden"] * 3
        server.api().cancel(job_id)
        await speaker.ask("watch", {"what": "jobs"})
        assert speaker.heard == []


async def test_no_more_jobs_are_watched_than_may_be(server: Running) -> None:
    job_ids = server.api().create_many([{"command": "true", "requires": NEVER}] * 1000)
    one_more = server.api().create({"command": "true", "requires": NEVER})["jobId"]
    async with watching(server) as speaker:
        items = [{"what": "job", "jobId": job_id} for job_id in (*job_ids, one_more)]
        answers = await speaker.ask("watch", *items)
        assert answers[:1000] == [{}] * 1000
        assert answers[1000]["code"] == "conflict"
        told: set[str] = set()
        while len(told) < 1000:
            told |= {job["jobId"] for job in await speaker.told("job")}
        assert told == set(job_ids)
        await speaker.ask("unwatch", items[0])
        assert await speaker.ask("watch", items[1000]) == [{}]


WRONG: dict[str, tuple[str | bytes, str]] = {
    "a worker's frame": ('{"op": "register", "items": [{"slots": 1}]}', "No frame of a person is called `register`."),
    "no op": ('{"items": []}', "This frame does not say what it is."),
    "no such thing": ('{"op": "watch", "items": [{"what": "users"}]}', "`[0].what` must be one of"),
    "a field too many": ('{"op": "watch", "items": [{"what": "jobs", "all": true}]}', "There is no field `[0].all`."),
    "no id": ('{"op": "watch", "items": [{"what": "job", "jobId": "x"}]}', "`[0].jobId` must be an id"),
    "output": (b"\0\0\0\2{}x", "This binary message" ), "no JSON": ("{", "This is no JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_no_frame_of_a_person_closes_the_socket_with_what_is_wrong(server: Running, name: str) -> None:
    sent, says = WRONG[name]
    async with watching(server) as speaker:
        await (speaker.ws.send_str(sent) if isinstance(sent, str) else speaker.ws.send_bytes(sent))
        (failure,) = await speaker.told("error")
        code, reason = await speaker.ended()
        assert code == 4400
        assert failure["message"].startswith(reason[:100])
        if name not in ("output", "no JSON"):
            assert failure["message"].startswith(says), failure


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, SOCKETS_PER_USER="3", LIVE_WORKERS_SEC="50ms") as run:
        yield run


async def test_a_login_that_ends_takes_its_sockets_along(own: Running) -> None:
    api = own.api("viewer")
    async with watching(own, {"what": "jobs"}) as speaker, watching(own, {"what": "jobs"}, who="admin") as other:
        api.ask("POST", "/api/auth/logout", {})
        assert await speaker.ended() == (4401, "This login has ended.")
        own.api().create({"command": "true"})
        assert await other.told("jobs")


async def test_one_user_has_so_many_sockets_and_no_more(own: Running) -> None:
    async with watching(own), watching(own), watching(own):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with watching(own):
                raise AssertionError("a socket too many")
        assert refused.value.status == 429
        async with watching(own, {"what": "jobs"}, who="operator"):
            pass
    async with watching(own, {"what": "jobs"}):
        pass


async def test_the_sockets_are_told_that_the_server_goes(own: Running) -> None:
    async with watching(own, {"what": "workers"}) as speaker:
        stopping = asyncio.create_task(asyncio.to_thread(own.process.stop))
        assert (await speaker.ended())[0] == 1001
        assert await stopping == 0


async def test_two_frames_in_one_message_are_answered_each_and_one_without_a_number_is_not(server: Running) -> None:
    async with watching(server) as speaker:
        frames = [{"op": "watch", "id": 5, "items": []}, {"op": "unwatch", "items": [{"what": "jobs"}]},
                  {"op": "unwatch", "id": 6, "items": [{"what": "jobs"}]}]  # fmt: skip
        await speaker.ws.send_str(json.dumps(frames))
        message = await speaker.ws.receive(timeout=10)
        assert json.loads(message.data) == [{"re": 5, "items": []}, {"re": 6, "items": [{}]}]
