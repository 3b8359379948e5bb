"""Two servers that share a store, and all that they share besides: keys, the admin, and a Redis if there is one."""

import os
import secrets
from pathlib import Path

import pymongo

from tests.services.redis import RedisServer
from tests.support.api import Api
from tests.support.ports import free_port
from tests.support.system import EMAIL, FAST, Process, Server, Worker
from tests.support.waiting import until

LOOKS_OFTEN = {
    "FLEET_CHECK_SEC": "300ms", "DISPATCH_CHECK_SEC": "300ms", "FOLLOW_CHECK_SEC": "300ms", "LIVE_CHECK_SEC": "300ms",
    "SESSION_CACHE_SEC": "300ms",
}  # fmt: skip
"""For servers that hear nothing of each other: they see within this time what the other did."""


class Pair:
    """Servers `a` and `b` on a database of their own in the set at `uri`.

    soon  how long (seconds) it may take until one knows what happened at the other
    """

    def __init__(self, folder: Path, uri: str, redis: RedisServer | None, **settings: str) -> None:
        self.redis = redis
        self.soon = 3.0 if redis is not None else 5.0
        self._set = uri
        self._name = f"test-servers-{os.getpid()}-{secrets.token_hex(4)}"
        before, _, options = uri.partition("?")
        shared = {
            "MONGODB_URI": f"{before.rstrip('/')}/{self._name}?{options}&authSource=admin",
            "JWT_SECRET": secrets.token_hex(32), "RATE_LIMIT_MAX_JOBS": "40",
            **({"REDIS_URL": redis.url, "REDIS_RETRY_SEC": "200ms"} if redis is not None else LOOKS_OFTEN),
        }  # fmt: skip
        self.a, self.b = (Server(folder / name, **FAST | shared | settings) for name in ("a", "b"))
        self.b.password, self.b.secret = self.a.password, self.a.secret
        for name in ("CMDEXEC_ADMIN_PASSWORD", "WORKER_TOKEN_SECRET"):
            self.b.environment[name] = self.a.environment[name]
        self.processes: list[Process] = [self.a, self.b]

    def start(self) -> None:
        """Both at once, as on a first day."""
        self.spawn()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until both can do their work."""
        for server in (self.a, self.b):
            until(lambda one=server: _ready(one), "the server is ready", 30)

    def spawn(self) -> None:
        """Both at once; they may not be ready yet."""
        for server in (self.a, self.b):
            server.port = free_port()
            server.arguments = [
                *server.command, "serve", "--port", str(server.port), "--data-dir", str(server.data), *server.more,
            ]  # fmt: skip
            server.spawn()

    def apis(self) -> tuple[Api, Api]:
        """One login, at `a`, used at both."""
        first = Api(self.a.url)
        first.login(EMAIL, self.a.password)
        return first, Api(self.b.url, first.token)

    def worker(self, server: Server, name: str, slots: int = 2, **settings: str) -> Worker:
        """Not started yet."""
        worker = Worker(server, name, slots=slots, **FAST | settings)
        self.processes.append(worker)
        return worker

    def drop(self) -> None:
        """Leave nothing in MongoDB and Redis; the processes have ended."""
        with pymongo.MongoClient(self._set) as client:
            client.drop_database(self._name)
        if self.redis is not None:
            self.redis.kill()


def _ready(server: Server) -> bool:
    server.must_run()
    try:
        return Api(server.url).call("GET", "/api/ready")[0] == 200
    except OSError:
        return False
