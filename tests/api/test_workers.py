"""Single workers: looked at, drained, named, labelled and shut out, over HTTP and with real sockets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cmdexec.server.identity.workers import hash_of
from tests.support.api import Api, ApiError
from tests.support.fleet import Fleet
from tests.support.poller import Poller
from tests.support.server import Running, b64, running
from tests.support.speaker import speaking

LONG = {"LEASE_SEC": "60s", "HEARTBEAT_SEC": "20s"}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("workers"), **LONG) as run:
        yield run


def refused(api: Api, method: str, path: str, body: Any = None) -> dict[str, Any]:
    with pytest.raises(ApiError) as wrong:
        api.ask(method, path, body)
    return {"status": wrong.value.status, **wrong.value.error}


async def test_a_worker_shows_its_own_labels_those_of_its_token_and_over_them_peoples(lasting: Running) -> None:
    async with Fleet(lasting, "labels") as fleet:
        await fleet.worker("w", labels={"os": "linux", "gpu": "t4"})
        shown = fleet.change("w", labels={"gpu": "", "rack": "7"}, name="the large one")
        assert (shown["labels"], shown["name"]) == ({"os": "linux", "rack": "7"}, "the large one")
        assert shown == fleet.look("w") | {"lastSeenAt": shown["lastSeenAt"]}
        assert shown["givenLabels"] == {"gpu": "", "rack": "7"}
        await fleet.worker("w", labels={"os": "linux", "gpu": "a100"})
        assert fleet.look("w")["labels"] == {"os": "linux", "rack": "7"}
        assert fleet.change("w", labels={"site": "lab"})["labels"] == {"os": "linux", "rack": "7", "site": "lab"}
        taken_back = fleet.change("w", labels={"gpu": None, "rack": None, "site": None})
        assert (taken_back["labels"], taken_back["givenLabels"]) == ({"os": "linux", "gpu": "a100"}, {})
        assert fleet.look("w")["name"] == "the large one", "what is left out stays"


async def test_a_drained_worker_is_told_and_gives_back_what_it_has_not_begun(lasting: Running) -> None:
    async with Fleet(lasting, "drain") as fleet:
        sim = await fleet.worker("w", slots=3, labels={"mine": "yes"})
        jobs = [fleet.submit(requires={"mine": "yes"}) for _ in range(3)]
        first = await sim.run()
        rest = [await sim.take(), await sim.take()]
        shown = fleet.change("w", draining=True)
        assert (shown["state"], shown["draining"]) == ("draining", True)
        (order,) = await sim.speaker.told("drain")
        assert order["draining"] is True
        assert [await sim.start(job) for job in rest] == ["stop", "stop"]
        assert [fleet.api.job(job_id)["status"] for job_id in jobs] == ["running", "queued", "queued"]
        await sim.done(first)
        assert fleet.api.job(jobs[0])["status"] == "completed", "what runs goes on"
        fleet.change("w", draining=False)
        (order,) = await sim.speaker.told("drain")
        assert order["draining"] is False
        assert {(await sim.run())["jobId"], (await sim.run())["jobId"]} == set(jobs[1:])


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, **LONG) as run:
        yield run


async def test_what_people_want_of_a_worker_outlives_the_server_and_the_worker(mortal: Running) -> None:
    async with Fleet(mortal, "again") as fleet:
        await fleet.worker("w")
        fleet.change("w", draining=True, name="nightly", labels={"rack": "7"})
        mortal.process.kill9()
        mortal.process.start()
        job_id = fleet.submit(requires={"rack": "7"})
        assert fleet.look("w")["draining"] is True
        sim = await fleet.worker("w")
        shown = fleet.look("w")
        assert (shown["state"], shown["name"], shown["labels"]) == ("draining", "nightly", {"rack": "7"})
        fleet.waits(job_id, "the one worker that has rack=7, nightly, is draining")
        fleet.change("w", draining=False)
        assert (await sim.run())["jobId"] == job_id


async def test_a_worker_that_registers_is_told_that_it_is_drained(lasting: Running) -> None:
    async with Fleet(lasting, "told") as fleet:
        await fleet.worker("w")
        fleet.change("w", draining=True)
        token = lasting.shared(workerId=fleet.id_of("w"))
        async with speaking(lasting.url, {"x-worker-token": token}) as speaker:
            (answer,) = await speaker.ask("register", {"slots": 1})
            assert answer["draining"] is True


async def test_a_label_taken_away_takes_back_what_has_not_begun(lasting: Running) -> None:
    async with Fleet(lasting, "taken") as fleet:
        sim = await fleet.worker("w", labels={"gpu": "a100"})
        job_id = fleet.submit(requires={"gpu": "a100"})
        job = await sim.take()
        fleet.change("w", labels={"gpu": ""})
        assert await sim.start(job) == "stop"
        assert fleet.api.job(job_id)["status"] == "queued"


async def test_a_revoked_worker_is_shut_out_at_once_and_its_jobs_are_as_if_its_lease_were_over(
    lasting: Running,
) -> None:
    async with Fleet(lasting, "revoked") as fleet:
        sim = await fleet.worker("w", slots=5, labels={"mine": "yes"})
        mine = {"requires": {"mine": "yes"}}
        held, again, cancelled = fleet.submit(**mine), fleet.submit(onLost="requeue", **mine), fleet.submit(**mine)
        for _ in range(3):
            await sim.run()
        waiting = fleet.submit(**mine)
        await sim.take()
        fleet.api.cancel(cancelled)
        shown = fleet.revoke("w")
        left = [
            {"jobId": job_id, "attempt": 1, "status": now} for job_id, now in ((held, "unknown"), (again, "running"))
        ]
        assert (shown["state"], shown["jobs"]) == ("revoked", left)
        assert await sim.speaker.ended() == (4403, "This worker was revoked by admin@localhost.")
        stands = [fleet.api.job(job_id) for job_id in (held, again, cancelled, waiting)]
        assert [job["status"] for job in stands] == ["unknown", "running", "cancelled", "queued"], (
            "what would be run again is, but not before the worker has ended it by its lease"
        )
        assert stands[2]["confirmed"] is False
        with pytest.raises(aiohttp.WSServerHandshakeError) as shut:
            await fleet.worker("w")
        assert shut.value.status == 403
        assert fleet.revoke("w")["state"] == "revoked", "twice is no harm"
        wrong = refused(fleet.api, "PATCH", f"/api/workers/{fleet.id_of('w')}", {"draining": True})
        assert (wrong["status"], wrong["code"], wrong["expected"]) == (409, "conflict", {"state": "revoked"})


async def test_a_worker_that_polls_is_shut_out_in_the_midst_of_its_poll(lasting: Running) -> None:
    poller = Poller(lasting, "polls.revoked")
    poller.register()
    poller.beat()
    asked = poller.polling(wait=20, claim="c1")
    lasting.api().ask("DELETE", "/api/workers/polls.revoked")
    status, answer = asked.result(10)
    assert (status, answer["error"]["code"]) == (403, "forbidden")
    assert answer["error"]["message"] == "This worker was revoked by admin@localhost."
    for call in (lambda: poller.poll(wait=0), lambda: poller.call("POST", "/api/workers/heartbeat", {"jobs": []})):
        status, answer = call()
        assert (status, answer["error"]["message"]) == (403, "This worker was revoked by admin@localhost.")


async def test_a_worker_that_polls_gets_nothing_while_it_is_drained_and_then_something(lasting: Running) -> None:
    poller = Poller(lasting, "polls.drained")
    poller.register(labels={"poller": "yes"})
    poller.beat()
    api = lasting.api()
    api.ask("PATCH", "/api/workers/polls.drained", {"draining": True})
    job_id = api.create({"command": "true", "requires": {"poller": "yes"}})["jobId"]
    assert poller.poll(wait=0, claim="c1") == (204, None)
    asked = poller.polling(wait=20, claim="c2")
    api.ask("PATCH", "/api/workers/polls.drained", {"draining": False})
    status, answer = asked.result(10)
    assert (status, [job["jobId"] for job in answer["jobs"]]) == (200, [job_id])
    api.ask("DELETE", "/api/workers/polls.drained")


def test_who_is_not_there_is_not_found_and_who_may_not_is_refused(lasting: Running) -> None:
    for method, body in (("GET", None), ("PATCH", {"draining": True}), ("DELETE", None)):
        wrong = refused(lasting.api(), method, "/api/workers/nobody", body)
        assert (wrong["status"], wrong["message"]) == (404, "There is no worker nobody.")
    assert refused(lasting.api("operator"), "DELETE", "/api/workers/nobody")["status"] == 403


def test_one_that_joined_and_never_came_can_be_revoked_too(lasting: Running) -> None:
    api = lasting.api()
    token = api.ask("POST", "/api/join-tokens", {"labels": {"rack": "7"}})["token"]
    credential = f"wc_{b64(b'x' * 32)}"
    joined = api.ask(
        "POST", "/api/workers/join", {"token": token, "credentialHash": hash_of(credential), "name": "early"}
    )
    path = f"/api/workers/{joined['workerId']}"
    shown = api.ask("GET", path)
    assert (shown["name"], shown["state"], shown["labels"]) == ("early", "offline", {"rack": "7"})
    assert shown["lastSeenAt"] is None
    wrong = refused(api, "PATCH", path, {"draining": True})
    assert (wrong["status"], wrong["mend"]) == (409, "Start the worker once, then change it.")
    for shown in (api.ask("DELETE", path), api.ask("GET", path)):
        assert (shown["name"], shown["state"], shown["labels"]) == ("early", "revoked", {"rack": "7"})
        assert shown["lastSeenAt"] is None, "it never came"
    status, _, _ = Api(lasting.url).call("POST", "/api/workers/register", {"slots": 1}, {"x-worker-token": credential})
    assert status in (401, 403)


async def test_the_labels_of_the_join_token_count_for_jobs(lasting: Running) -> None:
    api = lasting.api()
    token = api.ask("POST", "/api/join-tokens", {"labels": {"rack": "8"}})["token"]
    credential = f"wc_{b64(b'y' * 32)}"
    api.ask("POST", "/api/workers/join", {"token": token, "credentialHash": hash_of(credential)})
    job_id = api.create({"command": "true", "requires": {"rack": "8"}})["jobId"]
    async with speaking(lasting.url, {"x-worker-token": credential}) as speaker:
        job = await speaker.start_job()
        assert job["jobId"] == job_id
