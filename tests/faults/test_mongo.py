"""MongoDB is away when its server starts, is killed, and steps down while jobs run: each runs once, no byte is lost."""

import json
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pymongo
import pytest
from pymongo.errors import PyMongoError

from tests.services.mongo import Set, running, wipe
from tests.services.packages import Missing
from tests.support.api import Api, ApiError
from tests.support.ledger import Ledger
from tests.support.payload import check_once_and_whole, slow_job
from tests.support.system import EMAIL, FAST, Server, Worker, ends
from tests.support.waiting import until

BREAKS = int(os.environ.get("CMDEXEC_TEST_MONGO_BREAKS", "4"))
"""Kills and elections, one after the other; for a long run, more."""

MEMBERS = int(os.environ.get("CMDEXEC_TEST_MONGO_MEMBERS", "1"))

JWT_SECRET = "a-key-of-the-tests-for-login-tokens-7f1c9d"


@pytest.fixture(scope="module")
def mongo() -> Iterator[Set]:
    """A set of its own, which may be killed."""
    folder = Path(tempfile.mkdtemp(prefix="cmdexec-faults-mongo-"))
    try:
        yield running(folder, MEMBERS)
    except Missing as missing:
        pytest.skip(f"there is no MongoDB here: {missing}")
    finally:
        wipe(folder)


def server_on(mongo: Set, folder: Path) -> Server:
    before, _, options = mongo.uri.partition("?")
    where = f"{before.rstrip('/')}/{folder.name}?{options}"
    return Server(folder, **FAST | {"MONGODB_URI": where, "JWT_SECRET": JWT_SECRET, "MONGODB_SELECT_SEC": "6s"})


def step_down(mongo: Set) -> None:
    """The primary gives up its place, and is elected again a second later."""
    with pymongo.MongoClient(mongo.uri) as client, suppress(PyMongoError):
        client.admin.command("replSetStepDown", 1, force=True)


@pytest.mark.timeout(120)
def test_a_server_starts_while_mongodb_is_away_and_takes_jobs_once_it_is_there(mongo: Set, tmp_path: Path) -> None:
    server = server_on(mongo, tmp_path)
    worker = Worker(server, "w", **FAST)
    mongo.stop()
    try:
        server.arguments = [*server.command, "serve", "--port", "0", "--data-dir", str(server.data)]
        server.spawn()
        with ends(server, worker):
            until(lambda: _listens(server), "the server takes requests", 40)
            told = json.loads((server.data / "runtime.json").read_text())
            server.port = int(told["url"].rpartition(":")[2])
            api = Api(server.url)
            assert api.call("GET", "/api/live")[0] == 200
            assert api.call("GET", "/api/ready")[0] == 503
            with pytest.raises(ApiError) as caught:
                api.login(EMAIL, server.password)
            assert (caught.value.status, caught.value.error["code"]) == (503, "store_away")
            assert "does not answer" in caught.value.error["message"]
            mongo.start()
            until(lambda: api.call("GET", "/api/ready")[0] == 200, "the server is ready", 30)
            until(lambda: "admin" in server.log.read_text() or _logs_in(server), "there is an admin", 20)
            api = server.api()
            worker.environment["SERVER_URL"] = server.url
            worker.arguments[worker.arguments.index("--server") + 1] = server.url
            worker.start(api)
            job = api.create({"command": "echo out; echo err >&2"})
            api.wait_status(job["jobId"], "completed")
            assert (api.output(job["jobId"]), api.output(job["jobId"], "stderr")) == (b"out\n", b"err\n")
    finally:
        mongo.start()


def _listens(server: Server) -> bool:
    server.must_run()
    return (server.data / "runtime.json").exists()


def _logs_in(server: Server) -> bool:
    try:
        server.api()
    except ApiError:
        return False
    return True


@pytest.mark.timeout(60 + 20 * BREAKS)
def test_kills_and_elections_lose_and_double_nothing(mongo: Set, tmp_path: Path) -> None:
    server = server_on(mongo, tmp_path).start()
    worker = Worker(server, "w", slots=4, **FAST)
    with ends(server, worker):
        worker.start(server.api())
        ledger = Ledger(tmp_path / "ledger")
        submitted: list[str] = []
        failures: list[BaseException] = []
        stop = threading.Event()
        api = server.api()

        def submit() -> None:
            try:
                while not stop.is_set():
                    submitted.extend(api.create_surely([slow_job(ledger)] * 3))
                    stop.wait(0.2)
            except BaseException as failure:
                failures.append(failure)

        submitter = threading.Thread(target=submit)
        submitter.start()
        try:
            for number in range(BREAKS):
                until(lambda: ledger.unended() or failures, f"a job is running before break {number + 1}", 40)
                if number % 2:
                    step_down(mongo)
                else:
                    mongo.kill(mongo.states().index("primary"), signal.SIGKILL)
                mongo.start()
        finally:
            stop.set()
            submitter.join()
        assert not failures, failures
        check_once_and_whole(api, ledger, submitted)
