"""What a worker has loaded at the end of its life, whichever way it was connected: nothing of the server, no store, no
cryptography, and no engine that it does not use."""

from pathlib import Path

import pytest

from tests.support.proxy import proxying
from tests.support.system import FAST, Server, Worker, ends

AS_WORKER = """
import pathlib, sys
from cmdexec.__main__ import main
told = pathlib.Path(sys.argv.pop(1))
try:
    main()
finally:
    told.write_text("\\n".join(sys.modules))
"""
HEAVY = {
    "aiohttp_jwt", "apsw", "argon2", "cryptography", "docker", "jwt", "motor", "pymongo", "redis", "sqlite3", "webview",
}  # fmt: skip
OTHERS = {"admin", "client", "desktop", "notify", "server", "store"}
"""Packages of cmdexec that a worker has no part in."""
POLLING = FAST | {"CONNECT_TIMEOUT_SEC": "500ms"}


@pytest.mark.parametrize("connected", ["WebSocket", "polling"])
def test_a_worker_that_has_run_jobs_has_loaded_nothing_of_a_server(tmp_path: Path, connected: str) -> None:
    told = tmp_path / "modules"
    server = Server(tmp_path, **FAST).start()
    with proxying(server.port) as proxy:
        worker = Worker(server, "w", **POLLING)
        worker.arguments[worker.arguments.index(server.url)] = proxy.url
        worker.arguments[1:3] = ["-c", AS_WORKER, str(told)]
        if connected == "polling":
            proxy.block("refuse 403")
        with ends(server, worker):
            api = server.api()
            worker.start(api)
            long = {"command": "sleep 60", "timeoutSec": 0.2}
            jobs = [{"command": "seq 1 20000"}, {"command": ["sh", "-c", "exit 3"]}, long]
            ended = api.wait_ended(api.create_many(jobs))
            assert [job["reason"] for job in ended] == [None, "exit", "timeout"]
            assert worker.stop() == 0
            assert f"connected by={connected}" in worker.log.read_text()
            assert (proxy.polls() > 0) is (connected == "polling")
    loaded = told.read_text().split()
    assert "cmdexec.worker.run" in loaded
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
    assert not any(name.startswith("cmdexec.worker.page") for name in loaded), "it has no window"
    assert not OTHERS & {name.split(".")[1] for name in loaded if name.startswith("cmdexec.")}
