"""The two `.env` files of the deployment guide, line by line as they stand there, in production: a server that listens,
bounds and answers as they say, and a worker that finds it.

What differs is the port, secrets of one's own in place of the placeholders, the word that such a secret may be shared,
and the services that this server has none of.
"""

import secrets
from pathlib import Path

from tests.support.api import Api
from tests.support.server import Running
from tests.support.system import Server, Worker, ends

ROOT = """\
# MongoDB
MONGODB_POOL_SIZE=10

# Authentication
JWT_SECRET=your-jwt-secret-key-min-32-chars
WORKER_TOKEN_SECRET=your-worker-secret-key-min-32-chars

# Rate Limiting
RATE_LIMIT_WINDOW_MS=60000
RATE_LIMIT_MAX_JOBS=50
RATE_LIMIT_MAX_HEARTBEAT=600
RATE_LIMIT_MAX_REGISTER=10

# Server
PORT=3000
NODE_ENV=production

# CORS
CORS_ORIGINS=http://localhost:3000,https://your-domain.com
"""
WORKER = """\
SERVER_URL=http://localhost:3000
WORKER_TOKEN_SECRET=your-worker-secret-key-min-32-chars
CPU_LIMIT=2
RAM_LIMIT=512
AUTO_START=false
NODE_ENV=production
"""
JWT, SHARED = secrets.token_urlsafe(40), secrets.token_urlsafe(40)


def own(text: str) -> str:
    """With secrets of one's own."""
    return text.replace("your-jwt-secret-key-min-32-chars", JWT).replace("your-worker-secret-key-min-32-chars", SHARED)


def deployed(folder: Path) -> Server:
    server = Server(folder)
    server.secret = SHARED
    for name in ("WORKER_TOKEN_SECRET", "RATE_LIMIT_MAX_JOBS"):
        del server.environment[name]
    (folder / ".env").write_text(f"{own(ROOT)}ALLOW_SHARED_WORKER_SECRET=true\n")
    return server


def electron(server: Server) -> Worker:
    worker = Worker(server, "electron-worker")
    del worker.environment["WORKER_TOKEN_SECRET"]
    worker.log = server.folder / worker.name / "worker.log"
    worker.log.parent.mkdir()
    (worker.log.parent / ".env").write_text(own(WORKER).replace("3000", str(server.port)))
    worker.arguments = [*worker.arguments[:3], "worker", "--headless", "--allow-host"]
    worker.environment["DATA_DIR"] = str(worker.data / "data")
    return worker


def test_the_files_of_the_guide_bring_up_both_sides_with_their_bounds(tmp_path: Path) -> None:
    server = deployed(tmp_path)
    with ends(server):
        server.start()
        api = server.api()
        worker = electron(server)
        with ends(worker):
            worker.start(api)
            job_id = api.create({"command": "echo Hello from worker"})["jobId"]
            assert api.wait_ended([job_id])[0]["status"] == "completed"
            assert api.output(job_id) == b"Hello from worker\n"
            _bounds_submissions(api, done=1)
            _bounds_new_workers(server, done=1)
            assert _of_origin(server, "https://your-domain.com") == "https://your-domain.com"
            assert _of_origin(server, "https://other-domain.com") is None
            assert (worker.stop(), server.stop()) == (0, 0)
        for log in (server.log, worker.log):
            assert " error " not in log.read_text()


def _bounds_submissions(api: Api, done: int) -> None:
    statuses = [api.call("POST", "/api/jobs/create", {"command": "true"})[0] for _ in range(done, 52)]
    assert statuses == [200] * (50 - done) + [429] * 2


def _bounds_new_workers(server: Server, done: int) -> None:
    def registers(number: int) -> int:
        headers = {"x-worker-token": Running(server).shared(workerId=f"new-{number}")}
        return Api(server.url).call("POST", "/api/workers/register", {"slots": 1}, headers)[0]

    assert [registers(number) for number in range(done, 12)] == [200] * (10 - done) + [429] * 2


def _of_origin(server: Server, origin: str) -> str | None:
    _, headers, _ = Api(server.url).call("GET", "/api/health", None, {"Origin": origin})
    return headers.get("access-control-allow-origin")
