"""How operations are carried out, whoever asks: without any HTTP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from cmdexec.errors import CODES, CmdexecError, Conflict, Refused, Unavailable
from cmdexec.protocol import operations
from cmdexec.protocol.operations import BY_NAME, OPERATIONS, Permission
from cmdexec.runtime import Inline, system_runtime
from cmdexec.server.api import ranges
from cmdexec.server.api.handler import Call, Handler, Reply
from cmdexec.server.identity import NOBODY, Identity
from cmdexec.server.identity.counted import Counted
from cmdexec.server.perform import Asked, Perform, Presented, permit, refusal
from cmdexec.server.ratelimit import MemoryCounters, Rates
from cmdexec.settings.load import make
from cmdexec.settings.server import ServerSettings
from tests.support.each import over

ADMIN = Identity("user", "a", operations.ROLES["admin"])
WORKER = Identity("worker", "w", frozenset({Permission.WORK}))


async def nothing(_call: Call) -> Reply:
    return Reply()


def all_but(**changed: Handler | None) -> dict[str, Handler]:
    table: dict[str, Handler | None] = {name: nothing for name in BY_NAME} | changed
    return {name: handler for name, handler in table.items() if handler is not None}


def performing(*tables: Mapping[str, Handler]) -> Perform:
    runtime = system_runtime("test", 1)
    runtime.threads.close()
    counted = Counted(Rates(make(ServerSettings), MemoryCounters(runtime.clock)), cast(Any, None))
    return Perform(tables, sessions=cast(Any, None), workers=cast(Any, None), counted=counted, runtime=runtime)


async def perform(handler: Handler, asked: Asked, name: str = "health") -> Reply:
    async def read() -> Asked:
        return asked

    return await performing(all_but(**{name: handler})).perform(name, Presented(), read)


def test_each_operation_needs_exactly_one_handler() -> None:
    performing(all_but())
    performing({"health": nothing}, all_but(health=None))
    for tables, named in (
        ([all_but(health=None)], "health"), ([all_but(), {"health": nothing}], "health"),
        ([all_but() | {"shutdown": nothing}], "shutdown"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=named):
            performing(*tables)


def test_an_operation_without_a_permission_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    bare = replace(BY_NAME["jobs.create"], permission=cast(Any, None))
    monkeypatch.setitem(BY_NAME, "jobs.create", bare)
    with pytest.raises(RuntimeError, match=r"no permission declared for jobs\.create"):
        performing(all_but())


def test_a_permission_that_is_missing_is_401_for_nobody_and_403_for_somebody() -> None:
    for operation in OPERATIONS:
        for who in (NOBODY, ADMIN, WORKER):
            if operation.permission is Permission.ANYONE or operation.permission in who.permissions:
                permit(who, operation.permission)
                continue
            with pytest.raises(Refused) as refused:
                permit(who, operation.permission)
            assert refused.value.status == (401 if who is NOBODY else 403)


def test_a_role_that_is_not_declared_may_nothing() -> None:
    assert "janitor" not in operations.ROLES
    assert not Identity("user", "j", operations.ROLES.get("janitor", frozenset())).may(Permission.VIEW_JOBS)


async def test_a_fault_of_ours_is_a_500_that_says_nothing_but_an_id(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(_call: Call) -> Reply:
        raise ValueError("the password is hunter2")

    reply = await perform(breaks, Asked())
    error = msgspec.json.decode(reply.body)["error"]
    assert (reply.status, error["code"]) == (500, "internal")
    assert "hunter2" not in reply.body.decode()
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.about["ticket"] in error["message"]  # type: ignore[attr-defined]


@over({code: (code,) for code in sorted(CODES)})
def test_every_code_becomes_its_status(code: str) -> None:
    reply = refusal(CmdexecError(code, "A sentence.", field="f", mend="Do this."))
    assert reply.status == CODES[code]
    assert msgspec.json.decode(reply.body) == {
        "error": {"code": code, "message": "A sentence.", "field": "f", "mend": "Do this."}
    }
    assert ("WWW-Authenticate" in reply.headers) is (reply.status == 401)


def test_not_now_says_when() -> None:
    for seconds, said in ((0.0, "1"), (0.2, "1"), (1.0, "1"), (1.1, "2"), (300, "300")):
        assert refusal(Unavailable("overloaded", "x", retry_after=seconds)).headers["Retry-After"] == said
    conflict = refusal(Conflict("stale_attempt", "x", expected={"attempt": 3, "none": None}))
    assert msgspec.json.decode(conflict.body)["error"]["expected"] == {"attempt": 3}


async def test_what_a_list_and_what_a_single_one_become() -> None:
    calls: list[Call] = []

    async def keep(call: Call) -> Reply:
        calls.append(call)
        return Reply()

    table = all_but(**{"jobs.create": keep})
    worker = performing(table)
    for body in (b'{"command":"1"}', b'  [{"command":"1"},{"command":"2"}]'):
        asked = Asked(body=body, content_type="application/json")
        request, listed = await worker._decoders["jobs.create"].decode(asked, Inline())
        assert listed == (b"[" in body)
        assert [one.command for one in request] == (["1", "2"] if listed else ["1"])


@pytest.mark.parametrize(("header", "size", "expected"), [
    (None, 10, None), ("", 10, None), ("bytes=0-", 10, (0, 10)), ("bytes=9-", 10, (9, 10)), ("bytes=3-3", 10, (3, 4)),
    ("bytes=3-99", 10, (3, 10)), ("bytes=-3", 10, (7, 10)), ("bytes=-99", 10, (0, 10)), ("bytes=5-4", 10, None),
    ("bytes=0-0,2-3", 10, None), ("items=0-1", 10, None), ("bytes=１-２", 10, None),
    ("bytes=0-9999999999999999", 10, None),
    ("bytes=10-", 10, "beyond"), ("bytes=-0", 10, "beyond"), ("bytes=0-", 0, "beyond"), ("bytes=-5", 0, "beyond"),
])  # fmt: skip
def test_ranges(header: str | None, size: int, expected: object) -> None:
    if expected != "beyond":
        assert ranges.wanted(header, size) == expected
        return
    with pytest.raises(Refused) as refused:
        ranges.wanted(header, size)
    assert refused.value.status == 416


def test_only_the_edge_writes_of_aiohttp() -> None:
    """`perform` and the handlers can be called by a simulation."""
    import cmdexec.server.perform as module

    folder = Path(module.__file__).parent
    for file in (folder / "perform.py", *(folder / "api").glob("*.py")):
        assert "import aiohttp" not in file.read_text()
        assert "from aiohttp" not in file.read_text()
