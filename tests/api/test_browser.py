"""Logins of browsers: the cookie that they get, what it counts for, and how it ends (S20, S21)."""

import json
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.server import Running
from tests.support.system import EMAIL


def page(server: Running, cookie: str | None = None, *, scheme: str = "http") -> dict[str, str]:
    """What a browser sends from one of our pages."""
    host = f"localhost:{server.process.port}"
    headers = {"Host": host, "Origin": f"{scheme}://{host}", "X-Csrf": "1", "Sec-Fetch-Site": "same-origin"}
    return headers if cookie is None else headers | {"Cookie": cookie}


def log_in(server: Running, headers: dict[str, str]) -> tuple[int, dict[str, str], dict[str, Any]]:
    login = {"email": EMAIL, "password": server.process.password}
    status, answered, body = Api(server.url).call("POST", "/api/auth/login", login, headers)
    return status, answered, json.loads(body)


def cookie_of(server: Running) -> str:
    """Of a login in a browser that stays."""
    return f"cmdexec-{server.process.port}={server.cookies['admin']}"


def says(server: Running, headers: dict[str, str], path: str = "/api/auth/me") -> tuple[int, dict[str, Any]]:
    status, _, body = Api(server.url).call("GET", path, None, headers)
    return status, json.loads(body)


def test_a_page_that_logs_in_gets_a_cookie_that_no_script_can_read_and_may_ask_with_it(server: Running) -> None:
    status, answered, body = log_in(server, page(server))
    pair, _, attributes = answered["set-cookie"].partition("; ")
    name, _, value = pair.partition("=")
    assert (status, name, len(value)) == (200, f"cmdexec-{server.process.port}", 43)
    assert set(attributes.split("; ")) == {"Path=/", "Max-Age=86400", "HttpOnly", "SameSite=Strict"}
    assert value not in json.dumps(body)
    status, me = says(server, page(server, pair))
    assert (status, me["user"]["email"], me["expiresAt"]) == (200, EMAIL, body["expiresAt"])
    assert {"manage users", "run jobs"} <= set(me["permissions"])
    created = Api(server.url).ask("POST", "/api/jobs/create", {"command": "true"}, page(server, pair))
    assert created["owner"] == EMAIL


def test_over_tls_the_cookie_has_the_name_that_only_tls_can_set(server: Running) -> None:
    """A proxy ends TLS; the browser says that it came over it."""
    _, answered, _ = log_in(server, page(server, scheme="https"))
    pair, _, attributes = answered["set-cookie"].partition("; ")
    assert pair.startswith("__Host-cmdexec=")
    assert {"Secure", "Path=/", "HttpOnly", "SameSite=Strict"} <= set(attributes.split("; "))
    assert "Domain" not in attributes
    job = {"command": "true"}
    for scheme, status in (("https", 200), ("http", 403)):
        headers = page(server, pair, scheme=scheme)
        assert Api(server.url).call("POST", "/api/jobs/create", job, headers)[0] == status


def test_a_program_that_logs_in_gets_its_token_and_no_cookie(server: Running) -> None:
    status, answered, body = log_in(server, {})
    assert (status, "set-cookie" in answered) == (200, False)
    assert says(server, {"Authorization": f"Bearer {body['token']}"})[0] == 200


@pytest.mark.parametrize("way", ["cookie", "token"])
def test_logging_out_ends_the_token_and_the_cookie_of_that_login_and_no_other(server: Running, way: str) -> None:
    others = cookie_of(server)
    _, answered, body = log_in(server, page(server))
    cookie, token = answered["set-cookie"].partition(";")[0], {"Authorization": f"Bearer {body['token']}"}
    headers = page(server, cookie) if way == "cookie" else token
    status, answered, empty = Api(server.url).call("POST", "/api/auth/logout", None, headers)
    assert (status, json.loads(empty)) == (200, {})
    assert ("Max-Age=0" in answered.get("set-cookie", "")) == (way == "cookie")
    status, told = says(server, page(server, cookie))
    assert (status, told["error"]["message"]) == (401, "This login has ended, or is none of this server's.")
    assert says(server, token)[0] == 401
    assert Api(server.url).call("POST", "/api/auth/logout", {}, headers)[0] == 401
    assert says(server, page(server, others))[0] == 200


def own_cookie(server: Running) -> str:
    """Of a new login."""
    return log_in(server, page(server))[1]["set-cookie"].partition(";")[0]


def test_logging_in_over_a_login_ends_that(server: Running) -> None:
    old, other = own_cookie(server), own_cookie(server)
    status, answered, _ = log_in(server, page(server, old))
    assert status == 200
    assert says(server, page(server, old))[0] == 401
    assert says(server, page(server, answered["set-cookie"].partition(";")[0]))[0] == 200
    assert says(server, page(server, other))[0] == 200


def test_logging_out_by_token_clears_no_cookie_of_another_login(server: Running) -> None:
    cookie = own_cookie(server)
    for same in (False, True):
        _, answered, body = log_in(server, page(server))
        mine = answered["set-cookie"].partition(";")[0]
        headers = {"Authorization": f"Bearer {body['token']}", "Cookie": mine if same else cookie}
        status, answered, _ = Api(server.url).call("POST", "/api/auth/logout", None, headers)
        assert (status, "set-cookie" in answered) == (200, same)
    assert says(server, page(server, cookie))[0] == 200


def test_who_is_not_logged_in_any_more_can_log_in_again_with_the_old_cookie_still_there(server: Running) -> None:
    """A page cannot delete it: no script can read it."""
    old = f"cmdexec-{server.process.port}={server.cookies['over']}"
    for cookie in (old, f"cmdexec-{server.process.port}=odd", old.replace("=", "=x")):
        assert log_in(server, page(server, cookie))[0] == 200
        assert says(server, page(server, cookie), "/api/health")[0] == 200
    bare = {name: value for name, value in page(server, old).items() if name != "X-Csrf"}
    assert log_in(server, bare)[0] == 200


def test_of_several_cookies_the_one_that_is_good_counts(server: Running) -> None:
    """Another program on this host may have set some beside ours, of either name; a page can see none of them."""
    ours = cookie_of(server)
    name, _, value = ours.partition("=")
    planted = f"{name}={'A' * 43}"
    for both in (f"{planted}; {ours}", f"__Host-cmdexec={'A' * 43}; {ours}", f"{ours}; {ours}", f"{name}=odd; {ours}"):
        without = {key: told for key, told in page(server, both).items() if key not in ("X-Csrf", "Origin")}
        for headers in (page(server, both), without):
            assert says(server, headers)[0] == 200, both
    bad = "; ".join(f"{name}={letter * 43}" for letter in "ABC")
    assert says(server, page(server, f"{bad}; {ours}"))[0] == 200
    for many in (f"{bad}; {name}={'D' * 43}; {ours}", f"{ours}; {own_cookie(server)}"):
        status, told = says(server, page(server, many))
        assert status == 401
        assert "only one can be yours" in told["error"]["message"]
        assert "Delete this site's cookies" in told["error"]["mend"]
    assert log_in(server, page(server, f"{bad}; {planted}"))[0] == 200
    assert value == server.cookies["admin"]
    two_headers = (
        f"GET /api/auth/me HTTP/1.1\r\nHost: localhost:{server.process.port}\r\nConnection: close\r\n"
        f"Cookie: a=1\r\nCookie: {ours}\r\n\r\n"
    )
    assert server.raw(two_headers.encode()).startswith(b"HTTP/1.1 200 ")


ODD = [
    b"cmdexec-PORT", b"cmdexec-PORT=", b"cmdexec-PORT=;", b'cmdexec-PORT="VALUE"', b"cmdexec-PORT=VALUE\xff",
    b"\xff\xfe=\x80",
    b"cmdexec-PORT=" + b"A" * 43, b"cmdexec-PORT=" + b"A" * 9000, b";" * 5000, b"=" * 5000, b"a=b;" * 2000,
    b"cmdexec-PORT=%00%0d%0a", b"cmdexec-PORT=VALUE,VALUE", b"$Version=1; cmdexec-PORT=VALUE; $Path=/x", b"",
]  # fmt: skip


@pytest.mark.parametrize("line", ODD, ids=[line[:40].decode("latin-1") for line in ODD])
def test_odd_cookies_are_no_login_and_no_fault(server: Running, line: bytes) -> None:
    port = str(server.process.port).encode()
    value = cookie_of(server).partition("=")[2].encode()
    sent = line.replace(b"PORT", port).replace(b"VALUE", value)
    head = b"GET /api/auth/me HTTP/1.1\r\nHost: localhost:" + port + b"\r\nConnection: close\r\nCookie: "
    expected = b"200" if b"$Version" in line else b"401"
    assert server.raw(head + sent + b"\r\n\r\n").split()[1] == expected


def test_cookies_beyond_what_a_header_may_be_are_told_so(server: Running) -> None:
    status, told = says(server, page(server, "a=" + "b" * 20_000))
    assert (status, told["error"]["code"]) == (431, "headers_too_large")


ATTACKS: dict[str, tuple[str, str, bytes, dict[str, str | None]]] = {
    "a form of another site": (
        "POST", "/api/jobs/create", b"command=x",
        {"Origin": "https://evil.example", "Content-Type": "application/x-www-form-urlencoded", "X-Csrf": None},
    ),
    "JSON as text, by no-cors": (
        "POST", "/api/jobs/create", b'{"command":"x"}',
        {"Origin": "https://evil.example", "Content-Type": "text/plain", "X-Csrf": None},
    ),
    "another port of this machine": (
        "POST", "/api/jobs/create", b'{"command":"x"}', {"Origin": "http://localhost:1", "Sec-Fetch-Site": "same-site"},
    ),
    "a sandboxed frame": ("POST", "/api/jobs/create", b'{"command":"x"}', {"Origin": "null"}),
    "no origin at all": ("POST", "/api/jobs/create", b'{"command":"x"}', {"Origin": None}),
    "no header of ours": ("POST", "/api/jobs/create", b'{"command":"x"}', {"X-Csrf": None}),
    "a DELETE": ("DELETE", "/api/workers/w1", b"", {"X-Csrf": None}),
    "a PATCH": ("PATCH", "/api/users/01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f", b"{}", {"X-Csrf": None}),
    "a DELETE as POST": ("POST", "/api/auth/logout", b"", {"X-Csrf": None, "X-HTTP-Method-Override": "DELETE"}),
    "reading, from another site": ("GET", "/api/jobs", b"", {"Sec-Fetch-Site": "cross-site", "Origin": None}),
    "reading, from another port": ("GET", "/api/jobs", b"", {"Sec-Fetch-Site": "same-site", "Origin": None}),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_pages_of_others_cannot_use_the_cookie_that_the_browser_sends_for_them(server: Running, name: str) -> None:
    """S20, S21: what counts is whether the operation has an effect, not which method or type carries it."""
    method, path, body, changed = ATTACKS[name]
    cookie = cookie_of(server)
    headers = {key: value for key, value in (page(server, cookie) | changed).items() if value is not None}
    status, _, answer = Api(server.url).call(method, path, body or None, headers)
    assert (status, json.loads(answer)["error"]["code"]) == (403, "bad_origin")
    assert says(server, page(server, cookie))[0] == 200


def test_what_our_pages_send_must_be_json_as_well(server: Running) -> None:
    headers = page(server, cookie_of(server)) | {"Content-Type": "text/plain"}
    assert Api(server.url).call("POST", "/api/jobs/create", b'{"command":"x"}', headers)[0] == 415


def test_a_header_decides_alone_and_the_cookie_beside_it_mends_nothing(server: Running) -> None:
    cookie = page(server, cookie_of(server))
    for who, status in (("bad", 401), ("expired", 401), ("viewer", 200), ("worker", 403)):
        assert says(server, cookie | server.headers(who))[0] == status
    _, me = says(server, cookie | server.headers("viewer"))
    assert me["user"]["role"] == "viewer"
    without = {name: value for name, value in cookie.items() if name not in ("X-Csrf", "Origin")}
    operator = without | server.headers("operator")
    assert Api(server.url).call("POST", "/api/jobs/create", {"command": "true"}, operator)[0] == 200


def test_no_page_of_another_site_may_read_our_answers(server: Running) -> None:
    """S22: no answer carries a header that would let it."""
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        _, answered, _ = Api(server.url).call(method, "/api/health", None, headers)
        assert not [name for name in answered if name.startswith("access-control-")]
