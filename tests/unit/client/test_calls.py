"""What each call sends, what it makes of answers, and when it is made again."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import web

from cmdexec.client import Access, Client, connect_async
from cmdexec.errors import CmdexecError, Conflict, Refused, Unavailable
from cmdexec.protocol.listing import JobRow, JobsPage, JobsQuery
from cmdexec.protocol.requests import NewJob
from cmdexec.runtime import system_runtime
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import make
from tests.support.scripted import JOB_ID, TOKEN, Script, Scripted, break_off, error, job, json


async def test_a_job_is_submitted_with_token_and_key() -> None:
    script = Script(json(job("queued")))
    async with Scripted(script) as client:
        answer = await client.submit(NewJob(command=("echo", "ä"), env={"A": "b"}, timeout_sec=5))
    assert (answer.job_id, answer.status) == (JOB_ID, "queued")
    (asked,) = script.requests
    assert (asked.method, asked.path) == ("POST", "/api/jobs/create")
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert len(asked.headers["Idempotency-Key"]) == 36
    assert b'"command":["echo","\xc3\xa4"]' in script.bodies[0]


@pytest.mark.parametrize(
    "trouble",
    [break_off, error(503, "store_away"), error(429, "too_many"), error(503, "draining", Retry_After="0")],
)
async def test_a_submission_is_repeated_under_the_same_key(trouble: object) -> None:
    script = Script(json(job("queued")), trouble, trouble, json(job("queued")))  # type: ignore[arg-type]
    async with Scripted(script) as client:
        await client.submit(NewJob(command="first"))
        await client.submit(NewJob(command="second"))
    keys = [asked.headers["Idempotency-Key"] for asked in script.requests]
    assert len(keys) == 4
    assert len(set(keys[1:])) == 1
    assert keys[0] != keys[1]


async def test_retry_after_is_waited_out_however_short_other_waits_are() -> None:
    script = Script(error(429, "too_many", Retry_After="1.1"), json(job()))
    loop = asyncio.get_running_loop()
    async with Scripted(script) as client:
        began = loop.time()
        await client.status(JOB_ID)
        assert loop.time() - began >= 1.1
    assert len(script.requests) == 2


async def test_a_server_that_asks_for_more_than_the_patience_that_is_left_is_not_waited_for() -> None:
    script = Script(error(429, "too_many", Retry_After="30"))
    async with Scripted(script) as client:
        with pytest.raises(Unavailable) as told:
            await asyncio.wait_for(client.status(JOB_ID), 2)
    assert (told.value.code, len(script.requests)) == ("too_many", 1)


async def test_no_try_and_no_list_begins_after_the_patience_was_ended() -> None:
    async def ended(request: web.Request) -> web.StreamResponse:
        patience.end()
        return await (json({"jobs": [job()]}) if len(script.requests) == 1 else break_off)(request)

    script = Script(ended)
    async with Scripted(script) as client:
        patience = client.patience()
        assert len(await client.submit_many([NewJob(command="a")] * 1001, patience=patience)) == 1
        patience = client.patience()
        with pytest.raises(Unavailable):
            await client.submit(NewJob(command="a"), patience=patience)
    assert len(script.requests) == 2


async def test_patience_has_an_end() -> None:
    script = Script(error(503, "store_away"))
    async with Scripted(script, patience_sec="300ms") as client:
        with pytest.raises(Unavailable) as told:
            await client.status(JOB_ID)
    assert told.value.code == "store_away"
    assert len(script.requests) > 2


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", Refused),
        (404, "not_found", Refused),
        (409, "conflict", Conflict),
        (422, "invalid_field", Refused),
        (507, "disk_full", Unavailable),
    ],
)
async def test_a_refusal_is_told_at_once_with_the_servers_words(
    status: int, code: str, kind: type[CmdexecError]
) -> None:
    script = Script(error(status, code))
    async with Scripted(script) as client:
        with pytest.raises(kind) as told:
            await client.status(JOB_ID)
    assert (told.value.code, told.value.message, told.value.field, told.value.mend) == (code, "No.", "f", "Do.")
    assert len(script.requests) == 1


async def test_a_server_that_never_answered_is_not_waited_for(unused_tcp_port: int) -> None:
    access = Access(f"http://127.0.0.1:{unused_tcp_port}", TOKEN)
    runtime = system_runtime("test", 1)
    async with Client(lambda: access, settings=make(ClientSettings), runtime=runtime) as client:
        with pytest.raises(Unavailable) as told:
            await asyncio.wait_for(client.health(), 5)
    assert told.value.code == "server_away"
    assert access.url in told.value.message
    runtime.threads.close()


async def test_the_short_way_takes_the_settings_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(json({"status": "healthy", "uptime": 1.0}))
    served = Scripted(script)
    async with served:
        monkeypatch.setenv("SERVER_URL", "http://elsewhere:1")
        monkeypatch.setenv("CMDEXEC_TOKEN", TOKEN)
        async with connect_async(server_url=str(served.server.make_url("")).rstrip("/")) as client:
            assert (await client.health()).status == "healthy"
    assert script.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


async def test_a_redirect_is_not_followed() -> None:
    """The token would go along."""

    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    script = Script(elsewhere)
    async with Scripted(script) as client:
        with pytest.raises(CmdexecError):
            await client.status(JOB_ID)
    assert len(script.requests) == 1


async def test_an_answer_of_something_else_is_no_job() -> None:
    script = Script(json({"hello": "world"}))
    async with Scripted(script) as client:
        with pytest.raises(CmdexecError, match="not what this version") as told:
            await client.status(JOB_ID)
    assert told.value.code == "protocol_mismatch"


async def test_bytes_that_are_no_text_are_refused_before_they_are_sent() -> None:
    script = Script(json(job()))
    async with Scripted(script) as client:
        for jobs, field in (
            ([NewJob(command="\udcff")], "[0].command"),
            ([NewJob(command="a"), NewJob(command="a", env={"B": "b", "A": "\udcff"})], "[1].env.A"),
            ([NewJob(command="a", env={"N\udcff": ""})], "[0].env.N\\udcff"),
        ):
            with pytest.raises(Refused, match="UTF-8") as told:
                await client.submit_all(jobs)
            assert told.value.field == field
        with pytest.raises(Refused) as told:
            await client.submit(NewJob(command=("a", "\udcff")))
        assert (told.value.field, "Use UTF-8" in str(told.value)) == ("command", True)
    assert script.requests == []


async def test_many_jobs_are_asked_after_in_pieces_that_fit_into_an_address() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        views = [job(job_id=one) for one in request.query.getall("jobId")]
        body = msgspec.json.encode(views[0] if len(views) == 1 else {"jobs": views})
        return web.Response(body=body, content_type="application/json")

    script = Script(answer)
    ids = [f"{number:036x}" for number in range(601)]
    async with Scripted(script) as client:
        assert [view.job_id for view in await client.statuses(ids)] == ids
        assert await client.statuses([]) == ()
    assert [len(asked.query.getall("jobId")) for asked in script.requests] == [300, 300, 1]


async def test_a_list_is_read_page_by_page_as_it_is_taken() -> None:
    def page(*names: str, after: str | None = None) -> JobsPage:
        values = {field: getattr(job(), field) for field in JobRow.__struct_fields__}
        return JobsPage(jobs=tuple(JobRow(**(values | {"name": name})) for name in names), next=after)

    script = Script(json(page("a", "b", after="two")), json(page("c")))
    async with Scripted(script) as client:
        found = client.jobs(JobsQuery(tag=("x", "y"), limit=2))
        assert (await anext(found)).name == "a"
        assert len(script.requests) == 1
        assert [one.name async for one in found] == ["b", "c"]
    assert [asked.query.get("cursor") for asked in script.requests] == [None, "two"]
    assert {tuple(asked.query.getall("tag")) for asked in script.requests} == {("x", "y")}


async def test_calls_that_take_several_jobs() -> None:
    script = Script(
        json({"jobs": [job(), job()]}), json({"jobs": [job()]}),
        json({"jobs": [{"jobId": JOB_ID, "outcome": "asked", "status": "running"}]}), json({"workers": []}),
    )  # fmt: skip
    async with Scripted(script) as client:
        assert len(await client.submit_all([NewJob(command="a"), NewJob(command="b")])) == 2
        assert len(await client.statuses([JOB_ID, JOB_ID])) == 1
        (cancelled,) = await client.cancel(JOB_ID)
        assert cancelled.outcome == "asked"
        assert await client.workers() == ()
    assert script.requests[1].query.getall("jobId") == [JOB_ID, JOB_ID]


async def test_login_sends_no_token() -> None:
    user = {"userId": "u", "email": "a@b", "role": "admin"}
    script = Script(json({"token": "t", "expiresAt": "", "user": user}))
    async with Scripted(script) as client:
        assert (await client.login("a@b", "secret")).token == "t"
    assert "Authorization" not in script.requests[0].headers


DATA = bytes(range(256)) * 4096


async def _ranged(request: web.Request) -> web.StreamResponse:
    part = request.http_range
    data = DATA[part]
    response = web.StreamResponse(status=206)
    response.content_length = len(data)
    await response.prepare(request)
    await response.write(data)
    return response


async def _ranged_and_cut(request: web.Request) -> web.StreamResponse:
    """Says how much comes and breaks off in its midst."""
    part = request.http_range
    data = DATA[part]
    response = web.StreamResponse(status=206)
    response.content_length = len(data)
    await response.prepare(request)
    await response.write(data[: len(data) // 3])
    return await break_off(request)


async def _joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_output_goes_on_where_the_connection_broke() -> None:
    script = Script(_ranged_and_cut, _ranged_and_cut, _ranged)
    async with Scripted(script) as client:
        assert await _joined(client.output(JOB_ID)) == DATA
    starts = [asked.http_range.start for asked in script.requests]
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert len(starts) == 3


async def test_output_by_range() -> None:
    script = Script(_ranged)
    async with Scripted(script) as client:
        assert await _joined(client.output(JOB_ID, "stderr", start=100, end=70_000)) == DATA[100:70_000]
        assert await _joined(client.output(JOB_ID, start=5, end=5)) == b""
    (asked,) = script.requests
    assert asked.headers["Range"] == "bytes=100-69999"
    assert asked.query["stream"] == "stderr"


async def test_output_beyond_the_end_is_empty() -> None:
    script = Script(error(416, "range_not_satisfiable"))
    async with Scripted(script) as client:
        assert await _joined(client.output(JOB_ID, start=10)) == b""
