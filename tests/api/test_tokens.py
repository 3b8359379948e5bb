"""Bad tokens: each is a 401 in our own words, and none makes the server fail."""

import json
from typing import Any

import pytest

from cmdexec.server.identity.tokens import AUDIENCE, ISSUER, TYPE
from tests.support.api import Api
from tests.support.server import JWT_SECRET, KEYS, Running, b64, mint

PATH = "/api/workers/list"


def claims(server: Running, **changes: Any) -> dict[str, Any]:
    now = server.now()
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "admin", "jti": "jti-admin", "iat": now, "exp": now + 3600}
    return {name: value for name, value in (good | changes).items() if value is not ...}


def header(**changes: Any) -> dict[str, Any]:
    good = {"alg": "HS256", "typ": TYPE, "kid": KEYS.newest}
    return {name: value for name, value in (good | changes).items() if value is not ...}


def good(server: Running) -> str:
    return mint(JWT_SECRET, claims(server), header())


def test_the_tokens_below_are_bad_only_by_what_was_changed(server: Running) -> None:
    assert Api(server.url, good(server)).call("GET", PATH)[0] == 200


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "alg none": ({"alg": "none"}, {}),
    "alg None": ({"alg": "None"}, {}),
    "alg HS512": ({"alg": "HS512"}, {}),
    "alg RS256": ({"alg": "RS256"}, {}),
    "alg missing": ({"alg": ...}, {}),
    "alg a list": ({"alg": ["HS256"]}, {}),
    "kid missing": ({"kid": ...}, {}),
    "kid unknown": ({"kid": "0000000000000000"}, {}),
    "kid a path": ({"kid": "../../../../dev/null"}, {}),
    "kid a number": ({"kid": 5}, {}),
    "kid an object": ({"kid": {"a": 1}}, {}),
    "typ of a worker's": ({"typ": "JWT"}, {}),
    "typ missing": ({"typ": ...}, {}),
    "crit": ({"crit": ["exp"]}, {}),
    "crit with a line break": ({"crit": ["a\r\nSet-Cookie: x=1"]}, {}),
    "b64 false": ({"crit": ["b64"], "b64": False}, {}),
    "iss another": ({}, {"iss": "cmdexe"}),
    "iss longer": ({}, {"iss": "cmdexec.evil"}),
    "iss a list": ({}, {"iss": ["cmdexec"]}),
    "iss missing": ({}, {"iss": ...}),
    "aud another": ({}, {"aud": "worker"}),
    "aud missing": ({}, {"aud": ...}),
    "aud null": ({}, {"aud": None}),
    "exp missing": ({}, {"exp": ...}),
    "exp text": ({}, {"exp": "tomorrow"}),
    "exp huge": ({}, {"exp": 10**400}),
    "exp infinite": ({}, {"exp": float("inf")}),
    "exp before": ({}, {"exp": 1}),
    "nbf ahead": ({}, {"nbf": 10**11}),
    "iat missing": ({}, {"iat": ...}),
    "iat ahead": ({}, {"iat": 10**11}),
    "jti missing": ({}, {"jti": ...}),
    "jti unknown": ({}, {"jti": "jti-nobody"}),
    "jti a number": ({}, {"jti": 7}),
    "jti an object": ({}, {"jti": {"$ne": None}}),
    "jti of another user": ({}, {"jti": "jti-viewer"}),
    "sub missing": ({}, {"sub": ...}),
    "sub a number": ({}, {"sub": 1}),
    "sub another": ({}, {"sub": "viewer"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_one_thing_wrong_in_an_otherwise_good_token(server: Running, name: str) -> None:
    in_header, in_claims = CHANGES[name]
    refused(server, f"Bearer {mint(JWT_SECRET, claims(server, **in_claims), header(**in_header))}")


def malformed(server: Running) -> dict[str, str]:
    token = good(server)
    head, body, signature = token.split(".")
    other = mint("another-key-that-is-as-long-as-a-key-must-be", claims(server), header())
    return {
        "empty": "",
        "scheme alone": "Bearer",
        "scheme and a space": "Bearer ",
        "another scheme": f"Basic {token}",
        "a longer scheme": f"BearerX {token}",
        "no scheme": token,
        "another's key": f"Bearer {other}",
        "no signature": f"Bearer {head}.{body}.",
        "two parts": f"Bearer {head}.{body}",
        "four parts": f"Bearer {token}.{signature}",
        "a changed signature": f"Bearer {head}.{body}.{signature[:-4]}AAAA",
        "a changed body": f"Bearer {head}.{b64(json.dumps(claims(server, sub='x')).encode())}.{signature}",
        "body no JSON": f"Bearer {mint(JWT_SECRET, b'{', header())}",
        "body a list": f"Bearer {mint(JWT_SECRET, [1], header())}",
        "body nested deeply": f"Bearer {mint(JWT_SECRET, b'[' * 2500, header())}",
        "header a list": f"Bearer {mint(JWT_SECRET, claims(server), ['HS256'])}",
        "header nested deeply": f"Bearer {b64(b'[' * 2900)}.{body}.{signature}",
        "not base64": "Bearer !!.??.%%",
        "a huge one": f"Bearer {'a' * 9000}",
        "bytes above ASCII": "Bearer \xff\xfe.\xff.\xff",
        "a worker's credential": f"Bearer {server.credentials['worker']}",
        "a worker's token": f"Bearer {server.shared()}",
        "two tokens": f"Bearer {token} {token}",
    }


MALFORMED = [
    "empty", "scheme alone", "scheme and a space", "another scheme", "a longer scheme", "no scheme", "another's key",
    "no signature", "two parts", "four parts", "a changed signature", "a changed body", "body no JSON", "body a list",
    "body nested deeply", "header a list", "header nested deeply", "not base64", "a huge one", "bytes above ASCII",
    "a worker's credential", "a worker's token", "two tokens",
]  # fmt: skip


def test_the_list_of_malformed_tokens_is_whole(server: Running) -> None:
    assert list(malformed(server)) == MALFORMED


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_token(server: Running, name: str) -> None:
    is_bearer = malformed(server)[name].lower().split(" ")[0] == "bearer"
    refused(server, malformed(server)[name], NOT_OURS if is_bearer else NOT_BEARER)


def test_the_scheme_may_be_written_in_small_letters(server: Running) -> None:
    status, _, _ = Api(server.url).call("GET", PATH, None, {"Authorization": f"bearer {good(server)}"})
    assert status == 200


def test_two_authorization_headers_are_refused(server: Running) -> None:
    line = f"Authorization: Bearer {good(server)}\r\n"
    answer = server.raw(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{line}{line}\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == {
        "code": "unauthorized", "message": NOT_BEARER,
        "mend": "Send it once, with one `Bearer` token; for one, log in: POST /api/auth/login.",
    }  # fmt: skip


NOT_OURS = "This token is not good: it is not ours, or it has ended."
NOT_BEARER = "This `Authorization` is none that is taken here."


def refused(server: Running, authorization: str, message: str = NOT_OURS) -> None:
    """401, the fixed body, and nothing of the library's words."""
    status, headers, body = Api(server.url).call("GET", PATH, None, {"Authorization": authorization})
    assert status == 401, body
    assert headers["www-authenticate"] == "Bearer"
    error = json.loads(body)["error"]
    assert error["code"] == "unauthorized"
    assert error["message"] == message


# Tokens that workers sign themselves

WORKER_CHANGES: dict[str, dict[str, Any]] = {
    "no workerId": {"workerId": ...},
    "workerId empty": {"workerId": ""},
    "workerId a number": {"workerId": 1},
    "workerId an object": {"workerId": {"$gt": ""}},
    "workerId a path": {"workerId": "../x"},
    "workerId long": {"workerId": "w" * 101},
    "no exp": {"exp": ...},
    "exp before": {"exp": 1},
    "exp text": {"exp": "x"},
    "exp later than a day": {"exp": 10**10},
    "no iat": {"iat": ...},
    "iat ahead": {"iat": 10**10, "exp": 10**10 + 60},
    "iat true": {"iat": True},
}


def register(server: Running, token: str) -> int:
    return Api(server.url).call("POST", "/api/workers/register", {"slots": 1}, {"x-worker-token": token})[0]


def test_a_worker_may_sign_its_own_token_with_the_shared_secret(server: Running) -> None:
    assert register(server, server.shared()) == 200


@pytest.mark.parametrize("name", WORKER_CHANGES)
def test_one_thing_wrong_in_an_otherwise_good_worker_token(server: Running, name: str) -> None:
    now = server.now()
    good = {"workerId": "shared-1", "iat": now, "exp": now + 3600}
    wrong = {key: value for key, value in (good | WORKER_CHANGES[name]).items() if value is not ...}
    assert register(server, mint(server.process.secret, wrong)) == 401


def test_other_worker_tokens_that_are_none(server: Running) -> None:
    now = server.now()
    claims = {"workerId": "shared-1", "iat": now, "exp": now + 3600}
    user = server.tokens["admin"]
    for token in (
        mint(JWT_SECRET, claims),
        mint(server.process.secret, claims, {"alg": "none", "typ": "JWT"}),
        mint(server.process.secret, claims, {"alg": "HS256", "typ": TYPE}),
        mint(server.process.secret, claims, {"alg": "HS512", "typ": "JWT"}, algorithm="sha512"),
        mint(server.process.secret, claims, {"alg": "HS256", "typ": "JWT", "crit": ["x"]}),
        user,
        "wc_",
        f"wc_{'A' * 43}",
        server.credentials["worker"][:-1],
        server.credentials["worker"] + "A",
        f"{server.credentials['worker']}\xff"[1:],
        "a" * 5000,
        "",
    ):
        assert register(server, token) == 401, token[:60]
