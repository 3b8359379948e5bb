"""Users as an admin sees to them, and what is open of a login when it ends (S12)."""

import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import Api, ApiError
from tests.support.server import Running, running
from tests.support.system import EMAIL, Server, ends

KEYS = {"userId", "email", "role", "disabled", "createdAt", "password"}
SOON_SEC = 5.0
OWN = "Your own password you change yourself: `cmdexec users password`, or PATCH /api/auth/me."


def add(server: Running, role: str = "operator", **asked: Any) -> dict[str, Any]:
    user: dict[str, Any] = server.api().ask(
        "POST", "/api/users", {"email": f"{uuid4().hex}@test", "role": role} | asked
    )
    return user


def logged_in(server: Running, user: dict[str, Any]) -> Api:
    api = Api(server.url)
    api.login(user["email"], user["password"])
    return api


def change(server: Running, user: dict[str, Any], **asked: Any) -> dict[str, Any]:
    changed: dict[str, Any] = server.api().ask("PATCH", f"/api/users/{user['userId']}", asked)
    return changed


def test_a_new_user_logs_in_with_the_password_that_was_made_and_told_once(server: Running) -> None:
    user = add(server, "viewer")
    assert user.keys() == KEYS
    assert re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){4}[0-9a-hjkmnp-tv-z]{4}", user["password"])
    me = logged_in(server, user).ask("GET", "/api/auth/me")
    assert (me["user"]["role"], me["user"]["email"]) == ("viewer", user["email"])
    assert me["permissions"] == ["be logged in", "view health", "view jobs", "view workers"]
    (listed,) = [one for one in server.api().ask("GET", "/api/users")["users"] if one["userId"] == user["userId"]]
    assert listed == user | {"password": None}


def test_an_address_is_taken_once_whatever_its_case(server: Running) -> None:
    user = add(server, password="a password of its own")
    assert user["password"] is None
    with pytest.raises(ApiError) as refused:
        add(server, email=user["email"].upper())
    assert (refused.value.status, refused.value.error["code"], refused.value.error["field"]) == (
        409,
        "conflict",
        "email",
    )


def test_who_lacks_a_permission_is_told_who_has_it(server: Running) -> None:
    viewer = server.api("viewer")
    for path, asked, mend in (
        ("/api/jobs/create", {"command": "x"}, "An operator or an admin has it: ask an admin for such a role."),
        ("/api/join-tokens", {}, "Only an admin has it: ask one."),
        ("/api/users", {"email": "a@b"}, f"Only an admin has it: ask one. {OWN}"),
    ):
        with pytest.raises(ApiError) as refused:
            viewer.ask("POST", path, asked)
        assert (refused.value.status, refused.value.error["mend"]) == (403, mend)
    with pytest.raises(ApiError) as refused:
        server.api("janitor").ask("GET", "/api/jobs/status?jobId=01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f")
    assert refused.value.error["mend"] == "A viewer, an operator or an admin has it: ask an admin for such a role."


def test_the_last_admin_cannot_be_shut_out_and_may_change_its_own_password(tmp_path: Path) -> None:
    server = Server(tmp_path)
    with ends(server):
        api = server.start().api()
        path = f"/api/users/{api.ask('GET', '/api/auth/me')['user']['userId']}"
        for asked in ({"role": "viewer"}, {"disabled": True}):
            with pytest.raises(ApiError) as refused:
                api.ask("PATCH", path, asked)
            assert (refused.value.status, refused.value.error["code"]) == (409, "conflict")
            assert refused.value.error["mend"] == "Make another user an admin first."
        made = api.ask("PATCH", path, {"newPassword": True})["password"]
        with pytest.raises(ApiError) as ended:
            api.ask("GET", "/api/auth/me")
        assert ended.value.status == 401
        Api(server.url).login(EMAIL, made)
        server.stop()


def test_who_knows_the_password_gives_itself_another_and_only_other_logins_end(server: Running) -> None:
    user = add(server, "viewer")
    here, there = logged_in(server, user), logged_in(server, user)
    for old, new, said in (
        ("no", "another one, of my own", (403, "forbidden", "oldPassword")),
        (user["password"], "short", (422, "invalid_field", "password")),
    ):
        with pytest.raises(ApiError) as refused:
            here.ask("PATCH", "/api/auth/me", {"oldPassword": old, "password": new})
        assert (refused.value.status, refused.value.error["code"], refused.value.error["field"]) == said
    asked = {"oldPassword": user["password"], "password": "another one, of my own"}
    assert here.ask("PATCH", "/api/auth/me", asked) == {}
    assert here.ask("GET", "/api/auth/me")["user"]["userId"] == user["userId"]
    with pytest.raises(ApiError) as ended:
        there.ask("GET", "/api/auth/me")
    assert ended.value.status == 401
    with pytest.raises(ApiError) as old:
        logged_in(server, user)
    assert old.value.error["code"] == "bad_credentials"
    logged_in(server, user | {"password": asked["password"]})


def test_guessing_the_old_password_is_slowed_as_logging_in_is(tmp_path: Path) -> None:
    codes = []
    with running(tmp_path, LOGIN_TRIES="3") as server:
        api = logged_in(server, add(server))
        for _ in range(4):
            with pytest.raises(ApiError) as refused:
                api.ask("PATCH", "/api/auth/me", {"oldPassword": "a guess", "password": "another one, of my own"})
            codes.append(refused.value.error["code"])
    assert codes == ["forbidden"] * 3 + ["too_many"]


@contextmanager
def following(api: Api, job_id: str, accept: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(api.host, api.port, timeout=SOON_SEC)
    headers = {"Authorization": f"Bearer {api.token}", "Accept": accept}
    connection.request("GET", f"/api/jobs/{job_id}/output?follow=1", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    try:
        yield answer
    finally:
        connection.close()


def breaks_off(answer: http.client.HTTPResponse) -> bool:
    """Whether the stream ends soon, without the end that a whole answer has."""
    try:
        answer.read()
    except (http.client.IncompleteRead, ConnectionResetError):
        return True
    return False


ENDS: dict[str, dict[str, Any]] = {
    "role": {"role": "viewer"}, "disabled": {"disabled": True}, "password": {"newPassword": True}, "logout": {},
}  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
def test_streams_break_off_when_their_login_ends_and_those_of_others_go_on(server: Running, how: str) -> None:
    job_id = server.api().create({"command": "x"})["jobId"]
    user = add(server)
    api, other = logged_in(server, user), server.api("operator")
    with (
        following(other, job_id, "text/event-stream") as stays,
        following(api, job_id, "text/event-stream") as events,
        following(api, job_id, "*/*") as raw,
    ):
        if how == "logout":
            api.ask("POST", "/api/auth/logout")
        else:
            change(server, user, **ENDS[how])
        assert breaks_off(events)
        assert breaks_off(raw)
        server.api().cancel(job_id)
        assert b"event: end\n" in stays.read()
    with pytest.raises(ApiError) as refused:
        api.ask("GET", "/api/auth/me")
    assert refused.value.status == 401


def test_a_stream_does_not_outlive_its_token(tmp_path: Path) -> None:
    with running(tmp_path, TOKEN_TTL_SEC="1s") as server:
        job_id = server.api().create({"command": "x"})["jobId"]
        api = logged_in(server, add(server))
        began = time.monotonic()
        with following(api, job_id, "text/event-stream") as events:
            assert breaks_off(events)
        assert time.monotonic() - began < SOON_SEC
        me, _, body = api.call("GET", "/api/auth/me")
        assert (me, json.loads(body)["error"]["code"]) == (401, "unauthorized")
