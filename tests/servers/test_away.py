"""Servers start while what they share is away, say so, and go on by themselves when it is there."""

import http.client
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.pair import LOOKS_OFTEN, Pair
from tests.services.mongo import Set, running, wipe
from tests.services.packages import Missing
from tests.services.redis import RedisServer
from tests.support.api import Api, ApiError
from tests.support.system import EMAIL, Server, ends
from tests.support.waiting import until


@pytest.fixture
def mongo() -> Iterator[Set]:
    """A set of its own, which may be stopped."""
    folder = Path(tempfile.mkdtemp(prefix="cmdexec-servers-mongo-"))
    try:
        yield running(folder)
    except Missing as missing:
        pytest.skip(f"there is no MongoDB here: {missing}")
    finally:
        wipe(folder)


def listens(server: Server) -> bool:
    server.must_run()
    return (server.data / "runtime.json").exists()


def checks(api: Api) -> dict[str, str]:
    found: dict[str, str] = api.ask("GET", "/api/health")["checks"]
    return found


@pytest.mark.timeout(120)
def test_both_start_while_mongodb_and_redis_are_away_and_heal_one_after_the_other(mongo: Set, tmp_path: Path) -> None:
    redis = RedisServer(tmp_path / "redis")
    pair = Pair(tmp_path, mongo.uri, redis, **LOOKS_OFTEN | {"MONGODB_SELECT_SEC": "3s"})
    worker = pair.worker(pair.a, "w")
    mongo.stop()
    try:
        with ends(*pair.processes):
            pair.spawn()
            for server in (pair.a, pair.b):
                until(lambda one=server: listens(one), "the server takes requests", 40)
                api = Api(server.url)
                assert json.loads(api.call("GET", "/api/health")[2])["status"] == "degraded"
                assert api.call("GET", "/api/ready")[0] == 503
                with pytest.raises(ApiError) as refused:
                    api.login(EMAIL, server.password)
                assert (refused.value.status, refused.value.error["code"]) == (503, "store_away")
                assert "does not answer" in refused.value.error["message"]
            mongo.start()
            pair.wait_ready()
            until(lambda: _logs_in(pair.a), "there is an admin", 20)
            a, b = pair.apis()
            assert "does not answer" in checks(a)["redis"], "without Redis they do all their work"
            worker.locate(pair.a).start(a)
            job = b.create({"command": "echo out"})
            a.wait_status(job["jobId"], "completed")
            assert b.output(job["jobId"]) == b"out\n"
            redis.start()
            until(lambda: checks(a)["redis"] == checks(b)["redis"] == "ok", "both have found Redis", 10)
            assert a.ask("GET", "/api/health")["status"] == "healthy"
            _follows_until_mongodb_goes(b, mongo)
            for server in (pair.a, pair.b):
                assert "Traceback" not in server.log.read_text()
                said = [line for line in server.log.read_text().splitlines() if "could not be looked through" in line]
                assert len(said) <= 2, "once for each time that MongoDB was away"
    finally:
        mongo.start()
        pair.drop()


def _follows_until_mongodb_goes(api: Api, mongo: Set) -> None:
    """Whoever follows a job then is broken off, and not told that this was all."""
    job = api.create({"command": "echo out; sleep 60"})
    following = http.client.HTTPConnection(api.host, api.port, timeout=60)
    following.request(
        "GET", f"/api/jobs/{job['jobId']}/output?follow=1", headers={"Authorization": f"Bearer {api.token}"}
    )
    answer = following.getresponse()
    assert answer.read1(100) == b"out\n"
    mongo.stop()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    following.close()


def _logs_in(server: Server) -> bool:
    try:
        server.api()
    except ApiError:
        return False
    return True
