"""Nobody but the window gets in: no other page, no other name, no other user."""

import json
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.desktop.desk import Desk, ask
from tests.support.proc import children, said_of
from tests.support.system import ends
from tests.support.waiting import until

SECRET = secrets.token_urlsafe(40)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("desk"), WORKER_TOKEN_SECRET=SECRET)
    with ends(made):
        yield made.start()


def listening() -> list[tuple[str, str]]:
    """Address and inode of each socket of this machine that listens, as the kernel writes them (proc(5))."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return [(line[1], line[9]) for line in lines if line[3] == "0A"]


def files_of(pid: int) -> set[str]:
    """What it has open."""
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found.add(os.readlink(one))
    return found


def test_the_window_itself_gets_in(desk: Desk) -> None:
    until(lambda: json.loads(ask(desk, "GET", "/api/state?once=1")[1])["phase"] == "new", "it tells its state")
    origin = desk.where["url"]
    assert ask(desk, "POST", "/api/try", b"{}", Origin=origin, Sec_Fetch_Site="same-origin")[0] == 200


REFUSED: dict[str, tuple[int, str, dict[str, str | None]]] = {
    "no token": (401, "unauthorized", {"X_Window_Token": None}),
    "an empty token": (401, "unauthorized", {"X_Window_Token": ""}),
    "another token": (401, "unauthorized", {"X_Window_Token": "A" * 43}),
    "a token that is no text": (401, "unauthorized", {"X_Window_Token": "\xff\xfe"}),
    "another name for this machine": (421, "bad_host", {"Host": "rebound.example:{port}"}),
    "localhost": (421, "bad_host", {"Host": "localhost:{port}"}),
    "another port": (421, "bad_host", {"Host": "127.0.0.1:1"}),
    "a page of another site": (403, "bad_origin", {"Origin": "https://evil.example"}),
    "a page of another port": (403, "bad_origin", {"Origin": "http://127.0.0.1:1"}),
    "a page that has no name": (403, "bad_origin", {"Origin": "null"}),
    "a request that a browser calls foreign": (403, "bad_origin", {"Sec_Fetch_Site": "cross-site"}),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("call", ["GET /api/state?once=1", "GET /api/output", "POST /api/end"])
def test_everybody_else_is_refused(desk: Desk, what: str, call: str) -> None:
    method, path = call.split()
    status, code, headers = REFUSED[what]
    port = str(urlsplit(desk.where["url"]).port)
    sent = {name: value and value.replace("{port}", port) for name, value in headers.items()}
    got, body, _ = ask(desk, method, path, b"{}" if method == "POST" else None, **sent)
    assert (got, json.loads(body)["error"]["code"]) == (status, code)
    desk.must_run()


def test_a_request_without_a_host_is_none(desk: Desk) -> None:
    assert ask(desk, "GET", "/api/state?once=1", Host=None)[0] in (400, 421)


def test_files_need_no_token_but_the_right_name(desk: Desk) -> None:
    """A browser asks for them before the page can show its token; they hold nothing."""
    status, body, headers = ask(desk, "GET", "/", X_Window_Token=None)
    assert status == 200
    assert desk.where["token"].encode() not in body
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(desk, "GET", "/", Host="evil.example")[0] == 421
    for path in ("/main.js", "/../cmdexec/__main__.py", "/window/../../pyproject.toml", "/window/%2e%2e/tokens.css"):
        assert ask(desk, "GET", path)[0] == 404
    assert ask(desk, "POST", "/window/main.js", b"{}")[0] == 405


def test_what_is_no_sensible_order_is_refused(desk: Desk) -> None:
    def said(path: str, body: bytes, **headers: str | None) -> str:
        return str(json.loads(ask(desk, "POST", path, body, **headers)[1])["error"]["code"])

    assert said("/api/save", b"no json") == "bad_json"
    assert said("/api/save", b'{"values": {"slots": [1]}}') == "bad_json"
    assert said("/api/save", b"\xff" * 100) == "bad_json"
    assert said("/api/save", b"[" * 50_000) == "bad_json"
    assert said("/api/save", b'{"values": {}}', Content_Type="text/plain") == "unsupported_type"
    assert said("/api/save", b" " * 70_000) == "too_large"
    assert said("/api/cancel", b'{"key": "nothing.1"}') == "not_found"
    assert said("/api/nothing", b"{}") == "not_found"
    kept = json.loads(ask(desk, "POST", "/api/save", b'{"values": {"data_dir": "/", "nothing": "x"}}')[1])
    assert [one["field"] for one in kept["problems"]] == ["data_dir", "nothing"]
    bad = json.loads(ask(desk, "POST", "/api/save", b'{"values": {"worker_name": "a\\u0000b"}}')[1])
    assert [one["field"] for one in bad["problems"]] == ["WORKER_NAME"]
    assert not (desk.data / "cmdexec.toml").exists()
    desk.must_run()


def test_nobody_else_learns_the_token(desk: Desk) -> None:
    token = desk.where["token"]
    assert stat.S_IMODE((desk.data / "window.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(desk.data.stat().st_mode) == 0o700
    assert token not in desk.log.read_text()
    for pid in children(desk.pid) | {desk.pid}:
        for what in ("cmdline", "environ"):
            assert token.encode() not in said_of(pid, what)
    assert children(desk.pid)
    for pid in children(desk.pid):
        assert SECRET.encode() not in said_of(pid, "environ"), "jobs could read it there"


def test_no_other_machine_reaches_it(desk: Desk) -> None:
    """Only loopback listens."""
    port = urlsplit(desk.where["url"]).port or 0
    opened = {address for address, _ in listening() if int(address.rpartition(":")[2], 16) == port}
    loopback = {f"{socket.inet_aton('127.0.0.1')[::-1].hex().upper()}:{port:04X}", f"{'0' * 24}01000000:{port:04X}"}
    assert opened
    assert opened <= loopback


def test_a_headless_worker_opens_no_port(tmp_path: Path) -> None:
    quiet = Desk(tmp_path / "quiet", "--headless", "--allow-host", "--server", "http://127.0.0.1:9", real=True,
                 WORKER_TOKEN_SECRET=secrets.token_urlsafe(40))  # fmt: skip
    with ends(quiet):
        quiet.spawn()
        until(lambda: "not connected" in quiet.log.read_text(), "it is at work", 20)
        inodes = files_of(quiet.pid)
        assert not inodes & {f"socket:[{inode}]" for _, inode in listening()}
        assert not (quiet.data / "window.json").exists()
