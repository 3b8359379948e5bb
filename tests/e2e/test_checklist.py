"""The lines of the deployment checklist, typed as they stand there: real curl, a raw WebSocket, a server of two ports.

What differs from the lines are the ports, which the test chooses, and what stands in <angle brackets> there.
"""

import json
import shlex
import socket
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Running
from tests.support.system import EMAIL, Server, ends

THE_TWELVE = (
    ("POST", "/api/jobs/create", 401), ("GET", "/api/jobs/status", 401), ("POST", "/api/jobs/cancel", 401),
    ("GET", "/api/workers/list", 401), ("GET", "/api/jobs/get-job", 401), ("POST", "/api/jobs/submit-result", 401),
    ("POST", "/api/jobs/stream-output", 401), ("GET", "/api/jobs/check-cancel", 401),
    ("POST", "/api/workers/register", 401), ("POST", "/api/workers/heartbeat", 401), ("GET", "/api/health", 200),
    ("POST", "/api/auth/login", 422),
)  # fmt: skip


@dataclass
class Deployed:
    """A server as the checklist has it: one port for HTTP, one for WebSockets."""

    server: Server
    sockets: int
    jwt: str
    worker_token: str

    def types(self, line: str) -> tuple[int, dict[str, str], Any]:
        """(status, headers, JSON of the body) of a line with curl."""
        for written, meant in (
            ("localhost:3000", f"localhost:{self.server.port}"), ("<jwt>", self.jwt), ("<JWT>", self.jwt),
            ("<token>", self.worker_token), ("<invalid>", "invalid"),
        ):  # fmt: skip
            line = line.replace(written, meant)
        words = shlex.split(line.replace("\\\n", " "))
        assert words[0] == "curl"
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--dump-header", "-", "--max-time", "20", *words[1:]],
            capture_output=True, timeout=30, check=True,
        )  # fmt: skip
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(first.split()[1]), headers, json.loads(body) if body else None


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server(tmp_path_factory.mktemp("checklist"), WS_PORT=str(port))
    with ends(server):
        server.start()
        token = Running(server).shared(workerId="electron-1")
        yield Deployed(server, port, server.api().token or "", token)
        server.stop()


def test_login_gives_a_token(deployed: Deployed) -> None:
    """Its body is the only thing that is not the checklist's own: the user has another name here."""
    body = json.dumps({"email": EMAIL, "password": deployed.server.password})
    status, _, answer = deployed.types(
        'curl -X POST http://localhost:3000/api/auth/login \\\n  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(body)}"
    )
    assert status in (200, 201)
    assert answer["token"].count(".") == 2
    assert answer["token"].startswith("eyJ")


def test_a_job_is_created_with_a_jwt(deployed: Deployed) -> None:
    line = """curl -X POST http://localhost:3000/api/jobs/create \\
      -H "Authorization: Bearer <JWT>" \\
      -H "Content-Type: application/json" \\
      -d '{
        "command": "echo Hello from worker"
      }'"""
    status, _, answer = deployed.types(line)
    assert (status, answer["status"], answer["command"]) == (200, "queued", "echo Hello from worker")


def test_a_job_in_a_container_is_taken_and_never_run_as_a_process(deployed: Deployed) -> None:
    line = """curl -X POST http://localhost:3000/api/jobs/create \\
      -H "Authorization: Bearer <JWT>" \\
      -H "Content-Type: application/json" \\
      -d '{
        "command": "echo Hello from worker",
        "containerImage": "alpine:latest"
      }'"""
    status, _, job = deployed.types(line)
    assert (status, job["status"]) == (200, "queued")
    assert (job["containerImage"], job["network"], job["pull"]) == ("alpine:latest", "none", "missing")


def test_create_without_post_is_told_which_method_it_takes(deployed: Deployed) -> None:
    status, headers, _ = deployed.types('curl -H "Authorization: Bearer <jwt>" http://localhost:3000/api/jobs/create')
    assert (status, headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["", " -X POST"])
def test_register_refuses_a_bad_token(deployed: Deployed, method: str) -> None:
    line = f'curl{method} http://localhost:3000/api/workers/register \\\n  -H "x-worker-token: <invalid>" '
    status, headers, answer = deployed.types(line)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert answer["error"]["code"] == "unauthorized"


def test_register_by_get_with_a_good_token_is_no_401(deployed: Deployed) -> None:
    line = 'curl -H "x-worker-token: <token>" http://localhost:3000/api/workers/register'
    status, headers, _ = deployed.types(line)
    assert (status, headers["allow"]) == (405, "POST")


def test_health(deployed: Deployed) -> None:
    status, _, answer = deployed.types("curl http://localhost:3000/api/health")
    assert status == 200
    assert answer.keys() == {"status", "uptime"}
    assert answer["status"] == "healthy"
    assert answer["uptime"] > 0


def test_a_heartbeat_with_a_good_token(deployed: Deployed) -> None:
    """curl sends no body with a bare -X POST, and a form's content type with an empty -d."""
    line = 'curl -X POST http://localhost:3000/api/workers/register -H "x-worker-token: <token>"'
    status, _, answer = deployed.types(line)
    assert (status, answer["workerId"]) == (200, "electron-1")
    for body in ("", " -d ''"):
        line = f'curl -X POST http://localhost:3000/api/workers/heartbeat \\\n  -H "x-worker-token: <token>"{body}'
        status, _, answer = deployed.types(line)
        assert (status, answer["heartbeatSec"] > 0, answer["stop"]) == (200, True, [])


@pytest.mark.parametrize(("method", "path", "expected"), THE_TWELVE, ids=[path for _, path, _ in THE_TWELVE])
def test_the_twelve_without_a_credential(deployed: Deployed, method: str, path: str, expected: int) -> None:
    status, _, answer = deployed.types(f"curl -X {method} http://localhost:3000{path}")
    assert (status, path) == (expected, path)
    if expected == 401:
        assert answer["error"]["code"] == "unauthorized"
        assert answer["error"]["mend"]


def test_a_socket_to_the_second_port_opens_is_told_what_to_send_and_closes(deployed: Deployed) -> None:
    """As `wscat -c ws://localhost:8080` does: at /, no subprotocol, no credential."""
    with socket.create_connection(("localhost", deployed.sockets), 10) as connection:
        connection.sendall(
            f"GET / HTTP/1.1\r\nHost: localhost:{deployed.sockets}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        stream = connection.makefile("rb")
        assert stream.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
        headers = dict(line.rstrip().split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
        assert headers[b"Sec-WebSocket-Accept"] == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert b"Sec-WebSocket-Protocol" not in headers
        opcode, payload = _frame(stream)
        said = json.loads(payload)
        (error,) = (said[0] if isinstance(said, list) else said)["items"]
        assert (opcode, error["code"], "x-worker-token" in error["message"]) == (1, "unauthorized", True)
        opcode, payload = _frame(stream)
        assert (opcode, struct.unpack(">H", payload[:2])[0]) == (8, 4401)
        assert payload[2:].decode() == error["message"]


def _frame(stream: Any) -> tuple[int, bytes]:
    """(opcode, payload) of one unmasked frame."""
    first, length = stream.read(2)
    if length == 126:
        (length,) = struct.unpack(">H", stream.read(2))
    return first & 0x0F, stream.read(length)


def test_the_log_speaks_of_no_fault(deployed: Deployed) -> None:
    log = Path(deployed.server.log).read_text()
    assert f"ws://127.0.0.1:{deployed.sockets}" in log
    for word in ("Traceback", " error ", "Cannot connect", "failed"):
        assert word not in log
