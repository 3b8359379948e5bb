"""Machines that become workers with a join token (S8), over HTTP."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cmdexec.server.identity.workers import hash_of
from tests.support.api import Api, ApiError
from tests.support.server import Running, running
from tests.support.speaker import speaking
from tests.support.system import EMAIL


def make(server: Running, **asked: Any) -> dict[str, Any]:
    token: dict[str, Any] = server.api().ask("POST", "/api/join-tokens", asked)
    return token


def credential() -> str:
    return f"wc_{uuid4().hex}{uuid4().hex[:11]}"


def join(server: Running, token: str, mine: str, **more: Any) -> dict[str, Any]:
    asked = {"token": token, "credentialHash": hash_of(mine)} | more
    joined: dict[str, Any] = Api(server.url).ask("POST", "/api/workers/join", asked)
    return joined


def state(server: Running, token: dict[str, Any]) -> dict[str, Any]:
    tokens = server.api().ask("GET", "/api/join-tokens")["joinTokens"]
    (found,) = [one for one in tokens if one["joinTokenId"] == token["joinTokenId"]]
    assert found["token"] is None
    return dict(found)


async def test_a_machine_that_joined_works_with_its_own_credential(server: Running) -> None:
    token = make(server, name="rack", labels={"room": "1"}, expiresSec=60)
    assert (token["state"], token["uses"], token["used"], token["workers"]) == ("good", 1, 0, [])
    mine = credential()
    joined = join(server, token["token"], mine, name="m1")
    assert joined["labels"] == {"room": "1"}
    async with speaking(server.url, {"x-worker-token": mine}) as speaker:
        (registered,) = await speaker.ask("register", {"slots": 1})
        assert registered["workerId"] == joined["workerId"]
    now = state(server, token)
    assert (now["state"], now["used"], now["workers"]) == ("used", 1, [joined["workerId"]])


def test_each_refusal_says_which(server: Running) -> None:
    used, revoked = make(server), make(server)
    join(server, used["token"], credential())
    answer = server.api().ask("DELETE", f"/api/join-tokens/{revoked['joinTokenId']}")
    assert (answer["state"], answer["token"]) == ("revoked", None)
    for token, says in (
        (used["token"], "This join token is used up: it was good once."),
        (revoked["token"], "This join token was revoked."),
        (f"cj_{'A' * 43}", "This server knows no such join token."),
        (used["token"] + "A", "This server knows no such join token."),
        (server.credentials["worker"], "This server knows no such join token."),
        (server.tokens["admin"][:200], "This server knows no such join token."),
    ):
        with pytest.raises(ApiError) as refused:
            join(server, token, credential())
        error = refused.value.error
        assert (refused.value.status, error["code"], error["message"]) == (401, "bad_join_token", says)
        assert error["mend"] == "Have a new one made: cmdexec join-token create."


async def test_of_many_at_once_as_many_join_as_there_are_uses(server: Running) -> None:
    token = make(server, uses=3)
    tries = [asyncio.to_thread(join, server, token["token"], credential()) for _ in range(12)]
    came = await asyncio.gather(*tries, return_exceptions=True)
    workers = {one["workerId"] for one in came if isinstance(one, dict)}
    assert len(workers) == 3
    assert {one.error["code"] for one in came if isinstance(one, ApiError)} == {"bad_join_token"}
    assert set(state(server, token)["workers"]) == workers


async def test_who_was_revoked_neither_works_nor_joins_again_even_if_it_never_came(server: Running) -> None:
    """S10: what a leaked token let in can be shut out, whatever it did since."""
    token = make(server, uses=2, labels={"room": "1"})["token"]
    for comes in (True, False):
        mine = credential()
        worker_id, headers = join(server, token, mine, name="m1")["workerId"], {"x-worker-token": mine}
        if comes:
            async with speaking(server.url, headers) as speaker:
                await speaker.ask("register", {"slots": 1})
        revoked = server.api().ask("DELETE", f"/api/workers/{worker_id}")
        assert (revoked["state"], revoked["name"], revoked["labels"]) == ("revoked", "m1", {"room": "1"})
        status, _, body = Api(server.url).call("POST", "/api/workers/register", {"slots": 1}, headers)
        assert (status, json.loads(body)["error"]["message"]) == (403, f"This worker was revoked by {EMAIL}.")
        with pytest.raises(ApiError) as refused:
            join(server, token, mine)
        assert (refused.value.status, refused.value.error["code"]) == (403, "forbidden")


def test_a_join_token_opens_nothing_else(server: Running) -> None:
    """And neither does a credential that nobody let in."""
    token = make(server, uses=9)["token"]
    for headers in ({"x-worker-token": token}, {"Authorization": f"Bearer {token}"}, {"x-worker-token": credential()}):
        for method, path in (("GET", "/api/workers/list"), ("POST", "/api/workers/register")):
            body = {"slots": 1} if method == "POST" else None
            assert Api(server.url).call(method, path, body, headers)[0] == 401


def test_joining_again_after_the_server_was_killed_is_answered_the_same_and_costs_no_use(tmp_path: Path) -> None:
    """As when the answer was lost on its way."""
    with running(tmp_path) as server:
        token, mine = make(server, uses=2), credential()
        first = join(server, token["token"], mine)
        server.process.kill9()
        server.process.start()
        assert join(server, token["token"], mine) == first
        assert state(server, token)["used"] == 1
        server.api().ask("DELETE", f"/api/join-tokens/{token['joinTokenId']}")
        assert join(server, token["token"], mine) == first


def test_guessing_tokens_has_to_wait(tmp_path: Path) -> None:
    with running(tmp_path, LOGIN_TRIES="1") as server:
        good, said = make(server), []
        for _ in range(6):
            with pytest.raises(ApiError) as refused:
                join(server, f"cj_{'A' * 43}", credential())
            said.append((refused.value.status, refused.value.error["code"]))
        assert said == [(401, "bad_join_token")] * 4 + [(429, "too_many")] * 2
        status, headers, _ = Api(server.url).call(
            "POST", "/api/workers/join", {"token": good["token"], "credentialHash": hash_of("x")}
        )
        assert (status, int(headers["retry-after"]) >= 1) == (429, True)
