"""A server: all of `cmdexec.server` but HTTP, over the real store. It is killed by forgetting it, and started anew on
the folder that it left."""

import asyncio
import base64
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.link.socket import Limits, Socket
from cmdexec.protocol.codec import encode
from cmdexec.runtime import Runtime
from cmdexec.server.build import Parts, build
from cmdexec.server.edge.says import WorkerSays
from cmdexec.server.folder import Folder
from cmdexec.server.perform import Asked, Claims, Presented
from cmdexec.server.stores import open_store
from cmdexec.settings.load import make
from cmdexec.settings.server import ServerSettings
from cmdexec.store.sqlite.connection import Connection, StorageFault
from tests.sim.whole.runtime import runtime_of
from tests.sim.whole.store import Disk, gated
from tests.sim.whole.wires import End

LEASE_SEC = 6.0
LOST_SEC = 25.0
SECRET = "a-secret-that-only-simulations-share-4711"

Answered = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""

_LIKE_HTTP = {"content_type": "application/json"}


def server_settings(folder: Path) -> ServerSettings:
    """Short leases, so that a story is short."""
    made = make(ServerSettings, data_dir=folder, worker_token_secret=SECRET)
    return replace(
        made, lease_sec=LEASE_SEC, heartbeat_sec=1.5, lease_sweep_sec=0.5, lost_timeout_sec=LOST_SEC,
        socket_ping_sec=2.0, dispatch_check_sec=2.0, recall_after_sec=1.0, disk_reserve_bytes=0, store_check_bytes=0,
        rate_limit_max_jobs=10_000,
    )  # fmt: skip


class Server:
    """`process`: the one that runs now, None while there is none. `disk` outlives it, and so do the `claims` that
    people show."""

    def __init__(self, world: Any, folder: Path) -> None:
        self.world = world
        self.settings = server_settings(folder)
        self.disk = Disk(random.Random(f"{world.seed} disk"))
        self.process: Process | None = None
        self.claims: Claims | None = None
        self.begun = 0

    def start(self) -> None:
        self.begun += 1
        self.world.tell("server", "starts")
        self.process = Process(self, self.begun)

    def kill(self) -> None:
        if self.process is not None:
            self.world.tell("server", "is killed")
            self.process.node.kill()
            self.process = None
            self.world.network.server_is_gone()

    def ended(self, process: "Process") -> None:
        """It could not start, or came to its end: it is started again."""
        if self.process is process:
            self.kill()
            self.world.after(1.0, self.start_unless_there)

    def start_unless_there(self) -> None:
        if self.process is None:
            self.start()


class Process:
    """One process of the server. `parts` is there once it takes requests."""

    def __init__(self, server: Server, number: int) -> None:
        world = server.world
        self.server, self.world = server, world
        self.node = world.node(f"server {number}")
        self.runtime: Runtime = runtime_of(world, f"server {number}", 0.0)
        self.parts: Parts | None = None
        self.node.spawn(self._run(), "serve")

    async def _run(self) -> None:
        settings, runtime = self.server.settings, self.runtime
        try:
            parts = await build(settings, runtime, Folder(settings.data_dir, lambda: None))
            async with asyncio.TaskGroup() as tasks:
                for service in parts.services:
                    tasks.create_task(service.run(), name=type(service).__name__)
                await parts.own_token.begin(self._keep)
                self.parts = parts
        except (CmdexecError, ExceptionGroup) as wrong:
            self.world.tell("server", f"cannot go on: {wrong!r}")
            self.world.outside(self.server.ended, self)

    def _keep(self, token: str | None) -> None:
        """The token of its own user: what people show in this world."""
        if token is not None:
            body = token.split(".")[1]
            said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            self.server.claims = Claims(said["sub"], said["jti"])

    async def ask(self, name: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
        """What it answers to an operation: status and body."""
        if self.parts is None or self.server.claims is None:
            raise Unavailable("server_away", "It does not take requests yet.")
        sent = json.dumps(body).encode()

        async def read() -> Asked:
            fields = {"jobId": body["jobId"]} if name == "jobs.requeue" else {}
            rest = json.dumps({key: value for key, value in body.items() if key not in fields}).encode()
            return Asked(fields=fields, body=rest if fields else sent, headers=headers, **_LIKE_HTTP)

        reply = await self.parts.perform.perform(name, Presented(claims=self.server.claims), read)
        told = reply.body if isinstance(reply.body, bytes) else encode(reply.body)
        return reply.status, json.loads(told)

    async def carry(self, name: str, body: bytes | None, query: Any, headers: Mapping[str, str]) -> Answered:
        """What it answers to a call of a worker: status, headers, body. Raises CmdexecError while it takes none."""
        if self.parts is None:
            raise Unavailable("server_away", "It does not take requests yet.")

        async def read() -> Asked:
            return Asked(query=query, body=body, headers=headers, content_type=headers.get("content-type", ""))

        reply = await self.parts.perform.perform(name, Presented(worker_token=headers["x-worker-token"]), read)
        told = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else encode(reply.body)
        return reply.status, dict(reply.headers), told

    async def serve(self, end: End, token: str) -> None:
        """A worker's socket, from its upgrade to its end, as `server.edge.socket` has it. Raises CmdexecError."""
        parts = self.parts
        if parts is None:
            raise Unavailable("server_away", "It does not take requests yet.")
        who = await parts.perform.identify(Presented(worker_token=token))
        if who.id is None:
            raise Refused("unauthorized", "Nobody is asking.")
        self.node.spawn(self._work(parts, end, who.id), f"socket of {who.id}")

    async def _work(self, parts: Parts, end: End, worker_id: str) -> None:
        socket: Any = Socket(end, Limits.of(self.server.settings), self.runtime)  # type: ignore[arg-type]
        link = parts.presence.connect(worker_id, send=socket)
        says = WorkerSays(socket, link, self.server.settings.upgrade_timeout_sec)
        says.expect()
        try:
            await socket.run(says)
        finally:
            says.expect_no_more()
            link.closed()


@contextmanager
def server_edges(disk: Disk) -> Iterator[None]:
    """Servers that are made here keep their jobs behind the gate, and have no pages to show."""

    async def opened(*args: Any) -> Any:
        return gated(await open_store(*args), disk)

    async def no_pages(*_args: Any) -> None:
        return None

    execute = Connection.run

    def run(self: Connection, sql: str, *bindings: Any) -> int:
        if disk.full and sql == "COMMIT" and disk.rng.random() < 0.5:
            raise StorageFault("no room, as the seed has it", full=True)
        return execute(self, sql, *bindings)

    with (
        patch.object(Connection, "run", run),
        patch("cmdexec.server.build.open_store", opened),
        patch("cmdexec.server.build.site", no_pages),
    ):
        yield
