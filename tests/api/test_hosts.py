"""To whom a request is addressed, and from which page it comes."""

import json
import socket

import pytest

from tests.support.api import Api
from tests.support.server import Running

GOOD = ["localhost", "localhost:1", "LOCALHOST:3000", "localhost.", "127.0.0.1", "127.0.0.1:80", "127.9.9.9", "[::1]",
        "[::1]:3000"]  # fmt: skip
BAD = ["evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:x", "[::1",
       "::1", "0.0.0.0", "2130706433", "0x7f.1", "localhost@evil.example", "evil.example#localhost", "192.0.2.1", "",
       "localhost, evil.example", "xn--lcalhost-k5a", "[::ffff:192.0.2.1]", "localhost:80:80"]  # fmt: skip
PATHS = ["/api/health", "/api/live", "/", "/nothing", "/ws", "/api/jobs/status"]


@pytest.mark.parametrize("host", GOOD)
def test_own_names_are_taken(server: Running, host: str) -> None:
    assert Api(server.url).call("GET", "/api/live", None, {"Host": host})[0] == 200


@pytest.mark.parametrize("host", BAD)
def test_foreign_names_are_refused_on_every_path_even_with_a_good_token(server: Running, host: str) -> None:
    for path in PATHS:
        for who in ("none", "admin"):
            status, _, body = Api(server.url).call("GET", path, None, {"Host": host, **server.headers(who)})
            assert (status, path) == (421, path)
            assert json.loads(body)["error"]["code"] == "bad_host"


def test_a_host_twice_or_not_at_all_is_refused(server: Running) -> None:
    twice = b"GET /api/live HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert server.raw(twice).split()[1] in (b"400", b"421")
    assert server.raw(b"GET /api/live HTTP/1.0\r\n\r\n").split()[1] == b"421"


@pytest.mark.parametrize(("address", "status"), [
    ("http://localhost/api/live", b"200"), ("HTTP://LOCALHOST:80/api/live", b"200"), ("http://[::1]/api/live", b"200"),
    ("http://evil.example/api/live", b"421"), ("http://localhost@evil.example/api/live", b"421"),
    ("http://evil.example?x=http://localhost/api/live", b"421"), ("ftp://evil.example/api/live", b"421"),
])  # fmt: skip
def test_an_absolute_address_decides_and_not_the_host_beside_it(server: Running, address: str, status: bytes) -> None:
    request = f"GET {address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert server.raw(request.encode()).split()[1] == status


def test_an_absolute_address_does_not_stand_in_for_the_host(server: Running) -> None:
    request = b"GET http://localhost/api/live HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert server.raw(request).split()[1] == b"421"


@pytest.mark.parametrize("origin", [
    "https://evil.example", "null", "http://localhost.evil.example", "http://localhost:1", "http://127.0.0.1", "", "x",
    "http://evil.example http://localhost",
])  # fmt: skip
def test_pages_of_others_cannot_change_anything(server: Running, origin: str) -> None:
    foreign = {"Origin": origin, "Host": f"localhost:{server.process.port}"}
    for who, path, body in (
        ("admin", "/api/jobs/create", {"command": "x"}),
        ("none", "/api/auth/login", {"email": "a@b", "password": "x"}),
        ("worker", "/api/workers/register", {"slots": 1}),
    ):
        status, _, answer = Api(server.url).call("POST", path, body, foreign | server.headers(who))
        assert (status, path) == (403, path)
        assert json.loads(answer)["error"]["code"] == "bad_origin"


def test_our_own_page_may(server: Running) -> None:
    host = f"localhost:{server.process.port}"
    own = {"Origin": f"http://{host}", "Host": host}
    assert server.api().call("POST", "/api/jobs/create", {"command": "x"}, own)[0] == 200


def test_it_listens_on_loopback_alone(server: Running) -> None:
    """Of both kinds where the machine has both."""
    with socket.socket(socket.AF_INET6) as probe:
        has_v6 = probe.connect_ex(("::1", server.process.port)) != 101 and _binds_v6()
    if has_v6:
        with socket.create_connection(("::1", server.process.port), 5) as connection:
            connection.sendall(b"GET /api/live HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert _listeners(server) <= {"0100007F", "00000000000000000000000001000000"}
    assert "0100007F" in _listeners(server)


def _binds_v6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _listeners(server: Running) -> set[str]:
    """The addresses on which somebody listens at the server's port, as the kernel writes them."""
    found = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}") as lines:
            for line in list(lines)[1:]:
                address, port = line.split()[1].split(":")
                if int(port, 16) == server.process.port and line.split()[3] == "0A":
                    found.add(address)
    return found
