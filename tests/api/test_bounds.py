"""What is too large, too slow or half there: refused with a sentence, or cut off in time, and never a 500."""

import contextlib
import json
import select
import socket
import time

import pytest

from tests.support.api import Api
from tests.support.server import Running, read_all

LOGIN = b'{"email":"a@b","password":"x"}'


def head(path: str, server: Running, *lines: str, who: str = "operator", method: str = "POST") -> bytes:
    credential = [f"{name}: {value}" for name, value in server.headers(who).items()]
    all_lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *credential, *lines]
    return "\r\n".join(all_lines).encode() + b"\r\n\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(None, 2)[1]) if answer else 0


def error_of(answer: bytes) -> dict[str, str]:
    error: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    return error


def test_a_body_announced_too_large_is_refused_before_it_is_sent(server: Running) -> None:
    answer = server.raw(head("/api/jobs/create", server, f"Content-Length: {9 * 2**20}", "Expect: 100-continue"))
    assert status_of(answer) == 413
    assert error_of(answer)["code"] == "too_large"


def test_a_chunked_body_too_large_is_cut_while_it_comes(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.process.port), 10) as connection:
        connection.sendall(head("/api/auth/login", server, "Transfer-Encoding: chunked", who="none"))
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        connection.sendall(chunk * 2)
        answer = connection.recv(65536)
    assert status_of(answer) == 413


def test_no_body_is_read_of_who_may_not_send_it(server: Running) -> None:
    answer = server.raw(head("/api/jobs/create", server, "Content-Length: 1000", who="viewer"), within=5)
    assert status_of(answer) == 403


def test_an_expected_continue_is_given_only_when_the_body_is_wanted(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.process.port), 10) as connection:
        lines = ("Content-Length: 16", "Expect: 100-continue", "Connection: close")
        connection.sendall(head("/api/jobs/create", server, *lines))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(b'{"command": "x"}')
        assert status_of(read_all(connection)) == 200
    answer = server.raw(head("/api/jobs/create", server, *lines, who="none"), within=5)
    assert status_of(answer) == 401


def test_a_post_without_a_body_says_nothing_and_is_told_what_is_missing(server: Running) -> None:
    for lines in (("Connection: close",), ("Connection: close", "Content-Length: 0")):
        answer = server.raw(head("/api/jobs/create", server, *lines))
        error = error_of(answer)
        assert (status_of(answer), error["code"], error["field"]) == (422, "invalid_field", "command")


def test_half_a_body_is_given_up(server: Running) -> None:
    began = time.monotonic()
    answer = server.raw(head("/api/jobs/create", server, "Content-Length: 100") + b'{"comm')
    assert status_of(answer) == 408
    assert error_of(answer)["code"] == "timeout"
    assert time.monotonic() - began < 5


def test_a_body_that_trickles_is_given_up(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.process.port), 10) as connection:
        connection.sendall(head("/api/jobs/create", server, "Content-Length: 1000"))
        connection.settimeout(0.2)
        answer, end = b"", time.monotonic() + 5
        while not answer and time.monotonic() < end:
            connection.sendall(b" ")
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert status_of(answer) == 408


def test_a_body_broken_off_harms_nobody(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.process.port), 10) as connection:
        connection.sendall(head("/api/jobs/create", server, "Content-Length: 100") + b'{"comm')
    assert Api(server.url).call("GET", "/api/live")[0] == 200


@pytest.mark.parametrize("request_bytes", [b"", b"GET", b"GET /api/live HTTP/1.1\r\nHost: loc"], ids=len)
def test_headers_that_do_not_come_in_time_close_the_connection(server: Running, request_bytes: bytes) -> None:
    began = time.monotonic()
    answer = server.raw(request_bytes)
    assert 0.3 < time.monotonic() - began < 3.5
    assert status_of(answer) in (0, 400, 408)


def test_headers_that_trickle_close_the_connection(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.process.port), 10) as connection:
        connection.settimeout(0.1)
        end, open_ = time.monotonic() + 5, True
        connection.sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n")
        while open_ and time.monotonic() < end:
            try:
                connection.sendall(b"X: y\r\n")
                open_ = connection.recv(1000) != b""
            except TimeoutError:
                continue
            except OSError:
                open_ = False
    assert not open_


@pytest.mark.parametrize("line", [
    f"X-Long: {'x' * 70_000}", f"Cookie: {'x' * 70_000}", f"Authorization: Bearer {'x' * 70_000}",
    f"{'N' * 70_000}: x",
])  # fmt: skip
def test_headers_too_large(server: Running, line: str) -> None:
    answer = server.raw(head("/api/live", server, line, method="GET", who="none"))
    assert status_of(answer) == 431
    assert (error_of(answer)["code"], "MAX_HEADER_BYTES" in error_of(answer)["mend"]) == ("headers_too_large", True)


def test_headers_too_many_and_an_address_too_long(server: Running) -> None:
    for count in (101, 5000):
        many = server.raw(head("/api/live", server, *(f"X-{number}: y" for number in range(count)), method="GET"))
        assert status_of(many) == 431
        assert "more than 100 headers" in error_of(many)["message"]
    long = server.raw(head(f"/{'x' * 70_000}", server, method="GET"))
    assert status_of(long) == 431
    for answer in (many, long):
        assert b"aiohttp" not in answer
        assert set(error_of(answer)) <= {"code", "message", "mend"}


@pytest.mark.parametrize("nonsense", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0\0\0\0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
    b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /api/live HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /%00%ff%fe/../x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /api/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n",
], ids=range(18))  # fmt: skip
def test_what_is_no_request_gets_no_500_and_none_of_a_librarys_words(server: Running, nonsense: bytes) -> None:
    answer = server.raw(nonsense)
    assert status_of(answer) < 500
    for word in (b"aiohttp", b"Traceback", b"Python", b"llhttp", b"Invalid", b"Expected"):
        assert word not in answer
    if answer:
        assert b"\r\nServer: cmdexec\r\n" in answer


def test_a_get_takes_no_body(server: Running) -> None:
    lines = ("Content-Length: 2", "Connection: close")
    answer = server.raw(head("/api/workers/list", server, *lines, method="GET") + b"{}")
    assert status_of(answer) == 400


@pytest.mark.parametrize("keep_open", [True, False])
def test_who_reads_none_of_the_answers_is_cut_off(server: Running, keep_open: bool) -> None:
    """The send timeout of this server is 1 s."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", server.process.port))
        connection.setblocking(False)
        one = head("/api/live", server, method="GET", who="none")
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += connection.send(one * 100)
        assert sent > len(one) * 1000
        if not keep_open:
            connection.shutdown(socket.SHUT_WR)
        watch = select.poll()
        watch.register(connection, select.POLLHUP)  # POLLERR comes as well: the server does not wait, it resets
        assert watch.poll(8000), "the connection is still held"


def test_requests_one_after_the_other_on_one_connection_each_get_their_answer(server: Running) -> None:
    one = head("/api/live", server, method="GET", who="none")
    last = head("/api/live", server, "Connection: close", method="GET", who="none")
    assert server.raw(one * 20 + last).count(b"HTTP/1.1 200 OK") == 21
