"""One real server with people of every kind in it, and the raw ways to speak to it that no client library offers."""

import asyncio
import base64
import hmac
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from cmdexec.runtime import system_runtime
from cmdexec.server.identity.keys import KeyRing, kid_of
from cmdexec.server.identity.sessions import hash_of_cookie
from cmdexec.server.identity.tokens import AUDIENCE, ISSUER, TYPE, issue
from cmdexec.server.identity.workers import hash_of
from cmdexec.store.contract.identity import CredentialRow, SessionRow, Sessions, UserRow
from cmdexec.store.contract.workers import WorkerRow
from cmdexec.store.sqlite.engine import open_sqlite
from tests.support.api import Api
from tests.support.system import EMAIL, Server, ends

JWT_SECRET = "a-key-of-the-tests-for-login-tokens-7f1c9d"
KEYS = KeyRing(kid_of(JWT_SECRET), {kid_of(JWT_SECRET): JWT_SECRET})
DAY_MS = 86_400_000

FAST = {
    "UPGRADE_TIMEOUT_SEC": "800ms", "BODY_TIMEOUT_SEC": "500ms", "STREAM_PING_SEC": "100ms", "SESSION_CACHE_SEC": "0",
    "SOCKET_SEND_TIMEOUT_SEC": "1s", "KEEPALIVE_SEC": "4s", "LOGIN_TRIES": "1000", "JWT_SECRET": JWT_SECRET,
}  # fmt: skip


@dataclass
class Running:
    """A server that runs: `tokens` of users by who they are, `credentials` of workers."""

    process: Server
    tokens: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.process.url

    def api(self, who: str = "admin") -> Api:
        """Calls as `who`; `none` shows no credential."""
        return Api(self.url, self.tokens.get(who))

    def headers(self, who: str, *, spare: bool = False) -> dict[str, str]:
        """The credential of `who`, a user or a worker, as a header; `spare`: of a browser a login of which nothing else
        is wanted."""
        if who.startswith("cookie"):
            return self._browser(who, "spare" if spare else "admin")
        if who in self.credentials:
            return {"x-worker-token": self.credentials[who]}
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who != "none" else {}

    def _browser(self, who: str, login: str) -> dict[str, str]:
        """What the browser of an admin sends: as our own pages have it ask, but for what `who` names."""
        value = self.cookies["over" if who == "cookie over" else login]
        host = f"127.0.0.1:{self.process.port}"
        headers = {
            "Host": host, "Cookie": f"other=1; cmdexec-{self.process.port}={value}; odd", "X-Csrf": "1",
            "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin",
        }  # fmt: skip
        changed = {
            "cookie without csrf": {"X-Csrf": None},
            "cookie without origin": {"Origin": None},
            "cookie foreign origin": {"Origin": "https://evil.example"},
            "cookie cross-site": {"Sec-Fetch-Site": "cross-site"},
            "cookie bad bearer": {"Authorization": f"Bearer {self.tokens['bad']}"},
        }.get(who, {})
        return {name: value for name, value in (headers | changed).items() if value is not None}

    def shared(self, **claims: Any) -> str:
        """A token signed with the secret that workers share."""
        now = self.now()
        return mint(self.process.secret, {"workerId": "shared-1", "iat": now, "exp": now + 3600} | claims)

    @staticmethod
    def now() -> int:
        return system_runtime("test", 1).clock.now() // 1000

    def raw(self, data: bytes, within: float = 10.0) -> bytes:
        """Send bytes on a connection of their own, and read until the server closes it, or `within` seconds."""
        with socket.create_connection(("127.0.0.1", self.process.port), timeout=within) as connection:
            connection.sendall(data)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Until the other end closes; a reset counts as that."""
    got = bytearray()
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return bytes(got)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mint(secret: str, claims: Any, header: Any = None, *, algorithm: str = "sha256") -> str:
    """A JWT made by hand, so that it may be as wrong as wanted."""
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT"} if header is None else header).encode())
    body = b64(json.dumps(claims).encode() if not isinstance(claims, bytes) else claims)
    signature = hmac.new(secret.encode(), f"{head}.{body}".encode(), algorithm).digest()
    return f"{head}.{body}.{b64(signature)}"


@contextmanager
def running(folder: Path, *arguments: str, **settings: str) -> Iterator[Running]:
    """A server with an admin, an operator, a viewer and others in it, and two workers' credentials."""
    process = Server(folder, *arguments, **(FAST | settings))
    run = Running(process)
    asyncio.run(_people(run))
    with ends(process):
        process.start()
        yield run
        process.stop()


async def _people(run: Running) -> None:
    run.process.data.mkdir(mode=0o700, parents=True)
    runtime = system_runtime("test", 1)
    # It grants no lease; as long a one as it could would count first, as after a server with longer leases.
    store = open_sqlite(run.process.data, runtime, queue_items=1000, disk_reserve_bytes=0, lease_sec=0.3)
    now, users, sessions = runtime.clock.now(), store.reads.users, store.reads.sessions
    hashed = PasswordHasher(1, 8, 1).hash(run.process.password)
    people = {"admin": EMAIL, **{role: f"{role}@test" for role in ("operator", "viewer", "janitor", "disabled")}}
    for role, email in people.items():
        user = UserRow(role, email, "operator" if role == "disabled" else role, hashed, now, role == "disabled")
        assert await users.insert(user)
        await sessions.insert(SessionRow(f"jti-{role}", role, now, now + DAY_MS))
        run.tokens[role] = token(role, f"jti-{role}", now)
    await sessions.insert(SessionRow("jti-revoked", "admin", now, now + DAY_MS, revoked=True))
    await sessions.insert(SessionRow("jti-over", "admin", now - DAY_MS, now - 1000))
    run.tokens["revoked"] = token("admin", "jti-revoked", now)
    run.tokens["session over"] = token("admin", "jti-over", now)
    run.tokens["expired"] = token("admin", "jti-admin", now - 2 * DAY_MS)
    run.tokens["bad"] = "no.token.atall"
    await sessions.insert(SessionRow("jti-deleted", "deleted", now, now + DAY_MS))
    run.tokens["deleted"] = token("deleted", "jti-deleted", now)
    for worker in ("worker", "another worker", "fired"):
        run.credentials[worker] = f"wc_{b64(runtime.secret_bytes(32))}"
        row = CredentialRow(hash_of(run.credentials[worker]), f"{worker.replace(' ', '-')}-1", now)
        await store.reads.credentials.insert(row)
    await _browsers(run, sessions, now)
    _forge(run, now)
    await store.reads.workers.register(WorkerRow("fired-1", "fired", "s", "i", "0", "cmdexec.v1", "test", 1))
    await store.reads.workers.revoke("fired-1")
    await store.close()
    runtime.threads.close()


async def _browsers(run: Running, sessions: Sessions, now: int) -> None:
    """An admin's logins in browsers, one to spare, and one that was ended."""
    for name in ("admin", "spare", "over"):
        run.cookies[name] = b64(name.encode().ljust(32, b"-"))
        hashed = hash_of_cookie(run.cookies[name])
        await sessions.insert(
            SessionRow(f"jti-browser-{name}", "admin", now, now + DAY_MS, hashed, revoked=name == "over")
        )


def _forge(run: Running, now_ms: int) -> None:
    """Tokens that others made, or that are shown where they do not belong."""
    now, head = now_ms // 1000, {"alg": "HS256", "typ": TYPE, "kid": KEYS.newest}
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "admin", "jti": "jti-admin", "iat": now, "exp": now + 3600}
    unsigned, _, _ = mint("", claims, head | {"alg": "none"}).rpartition(".")
    run.tokens["alg none"] = f"{unsigned}."
    run.tokens["foreign key"] = mint("another-key-that-is-as-long-as-a-key-must-be", claims, head)
    run.tokens["worker as bearer"] = run.credentials["worker"]
    run.tokens["signed as bearer"] = run.shared()
    unsigned, _, _ = mint("", {"workerId": "shared-1", "iat": now, "exp": now + 60}, {"alg": "none"}).rpartition(".")
    run.credentials |= {
        "user as worker": run.tokens["admin"], "signed": run.shared(), "signed none": f"{unsigned}.",
        "signed over": run.shared(iat=now - 120, exp=now - 60),
        "signed foreign": mint(JWT_SECRET, {"workerId": "shared-1", "iat": now, "exp": now + 60}),
    }  # fmt: skip


def token(user_id: str, jti: str, now_ms: int) -> str:
    """As the server would have issued it at that moment."""
    return issue(KEYS, user_id=user_id, jti=jti, issued_at=now_ms // 1000, expires_at=(now_ms + DAY_MS) // 1000)
