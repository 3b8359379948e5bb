"""Lists and changes of jobs, workers, join tokens and users: what is asked of the server, and what is printed."""

import asyncio
import io
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest

from cmdexec.cli import printed
from cmdexec.protocol.accounts import JoinTokenView, UserRowView
from cmdexec.protocol.listing import JobsPage
from cmdexec.protocol.requests import AbsenceView, RunningView, WorkerWarning
from tests.support.answers import USER, Answers, Asked, Refusal, page, row, worker
from tests.support.scripted import JOB_ID
from tests.support.waiting import becomes

Captured = pytest.CaptureFixture[str]
AT = "2026-11-25T10:00:00.000Z"
TOKEN = JoinTokenView(
    join_token_id=JOB_ID, name="attic", token=None, state="good", uses=3, used=1, labels={"site": "attic"},
    created_at=AT, created_by=USER.user_id, expires_at="2026-11-25T11:00:00.000Z", workers=(),
)  # fmt: skip
ADA = UserRowView(user_id=USER.user_id, email=USER.email, role="operator", disabled=False, created_at=AT, password=None)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a person read standard output."""
    from cmdexec.cli import jobs, join_token, users, workers

    for module in (printed, join_token, jobs, users, workers):
        monkeypatch.setattr(module, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")


async def test_programs_get_jobs_as_lines_with_tabs(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    one = row(name="a\tb", worker_id="worker-1", started_at=AT, finished_at="2026-11-25T10:00:01.500Z")
    async with Answers({"GET /api/jobs": page(one)}).up(monkeypatch) as server:
        assert await server.run("jobs") == 0
    assert capsys.readouterr().out == f"{JOB_ID}\tcompleted\ta\\tb\tworker-1\t1.500\t{AT}\n"


@pytest.mark.usefixtures("terminal")
async def test_people_get_jobs_as_columns_with_the_names_of_workers(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    routes = {
        "GET /api/jobs": page(row(worker_id="worker-1"), more="c"),
        "GET /api/workers/list": {"workers": [worker("big box")]},
    }
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("jobs", "-n", "1") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split() == ["ID", "STATUS", "JOB", "WORKER", "TIME", "SUBMITTED"]
    assert said.out.splitlines()[1].startswith(f"{JOB_ID[:18]}  completed  echo 'a b'  big box")
    assert said.err == "cmdexec: There are more; `--limit 10` shows them.\n"


async def test_what_is_filtered_by_is_asked_of_the_server(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    routes = {"GET /api/jobs": page(), "GET /api/workers/list": {"workers": [worker("w1", "worker-7")]}}
    async with Answers(routes).up(monkeypatch) as server:
        filters = ("-s", "failed", "--since", "7d", "-w", "w1", "-t", "nightly", "-m", "bui", "--oldest-first")
        assert await server.run("jobs", *filters, "--json") == 0
        assert server.asked[-1].query == {
            "status": "failed", "from": "-7d", "worker": "worker-7", "tag": "nightly", "q": "bui", "order": "old",
            "limit": "20",
        }  # fmt: skip
        assert await server.run("jobs", "--since", "2026-11-25T10:00:00Z") == 0
        assert server.asked[-1].query["from"] == AT
        assert await server.run("jobs", "--since", "90s") == 0
        assert server.asked[-1].query["from"] == "-2m"
    assert capsys.readouterr() == ("", "")


async def test_a_long_list_comes_page_by_page(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    ids = [f"01936f0e-4f2a-7001-9c3f-{number:012d}" for number in range(1300)]
    pages = [page(*map(row, ids[:1000]), more="next-page"), page(*map(row, ids[1000:]), more="more")]
    async with Answers({"GET /api/jobs": pages}).up(monkeypatch) as server:
        assert await server.run("jobs", "-q", "--limit", "1200") == 0
    assert [one.query["limit"] for one in server.asked] == ["1000", "200"]
    assert server.asked[1].query["cursor"] == "next-page"
    said = capsys.readouterr()
    assert said.out.split() == ids[:1200]
    assert said.err == "cmdexec: There are more; `--limit 12000` shows them.\n", "a script has to learn of it too"


async def test_ids_for_a_program_are_all_of_them_and_a_count_too(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """`cmdexec jobs -q | xargs …` must not miss the twenty-first."""
    ids = [f"01936f0e-4f2a-7001-9c3f-{number:012d}" for number in range(1300)]
    for arguments, said in ((("-q",), ids), (("--count",), ["1300"])):
        pages = [page(*map(row, ids[:1000]), more="next-page"), page(*map(row, ids[1000:]))]
        async with Answers({"GET /api/jobs": pages}).up(monkeypatch) as server:
            assert await server.run("jobs", *arguments) == 0
        assert capsys.readouterr().out.split() == said
    assert await Answers({}).run("jobs", "--count", "--json") == 2


async def test_with_json_each_is_an_object_on_a_line(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    async with Answers({"GET /api/jobs": page(row(), row(name="ü"))}).up(monkeypatch) as server:
        assert await server.run("jobs", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in lines] == [None, "ü"]
    assert lines[0]["jobId"] == JOB_ID


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("arguments", "route", "answer", "said"),
    [
        (["jobs"], "GET /api/jobs", page(), "There are no jobs yet."),
        (["jobs", "-s", "failed"], "GET /api/jobs", page(), "There are no such jobs."),
        (["workers"], "GET /api/workers/list", {"workers": []}, "`cmdexec join-token create`"),
        (["join-token"], "GET /api/join-tokens", {"joinTokens": []}, "`cmdexec join-token create` makes one."),
    ],
)
async def test_an_empty_list_says_so(
    arguments: list[str], route: str, answer: object, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with Answers({route: answer}).up(monkeypatch) as server:
        assert await server.run(*arguments) == 0
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""


async def test_workers_as_lines(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    found = [worker(labels={"gpu": "yes", "os": "linux"}, last_seen_at=AT), worker("old", state="revoked")]
    async with Answers({"GET /api/workers/list": {"workers": found}}).up(monkeypatch) as server:
        assert await server.run("workers") == 0
        assert capsys.readouterr().out == f"w1\tonline\t0\t4\t{AT}\tgpu=yes,os=linux\tlinux\tworker-1\n"
        assert await server.run("workers", "--all") == 0
        assert len(capsys.readouterr().out.splitlines()) == 2
        assert await server.run("workers", "--json", "drain", "w1") == 2


@pytest.mark.parametrize(
    ("arguments", "change", "said"),
    [
        (["drain", "w1"], {"draining": True}, "gets no more jobs"),
        (["resume", "w1"], {"draining": False}, "takes jobs again"),
        (["rename", "w1", "big"], {"name": "big"}, "has that name from now on"),
        (["label", "w1", "gpu=yes", "site="], {"labels": {"gpu": "yes", "site": ""}}, "has these labels now: a=b."),
        (["label", "w1", "--reset", "gpu"], {"labels": {"gpu": None}}, "has these labels now: a=b."),
    ],
)
async def test_changes_of_a_worker(
    arguments: list[str], change: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    changed = worker("now", labels={"a": "b"})
    routes = {"GET /api/workers/list": {"workers": [worker()]}, "PATCH /api/workers/worker-1": changed}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("workers", *arguments) == 0
    assert server.asked[-1].body == change
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""


async def test_a_worker_is_not_shut_out_without_a_yes(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    routes = {"GET /api/workers/list": {"workers": [worker()]}, "DELETE /api/workers/worker-1": worker(state="revoked")}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("workers", "revoke", "w1") == 2
        assert "Add --yes." in capsys.readouterr().err
        assert [one.method for one in server.asked] == ["GET"]
        assert await server.run("workers", "revoke", "--yes", "w1") == 0
        assert server.asked[-1].method == "DELETE"


async def test_where_a_worker_was_is_shown_the_newest_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = [
        AbsenceView(since=f"2025-11-2{day}T14:02:00.000Z", until=f"2025-11-2{day}T14:45:00.000Z", cause=cause, why=why)
        for day, cause, why in ((4, "network", "network away"), (5, "slept", "machine slept"))
    ]
    routes = {"GET /api/workers/list": {"workers": [worker("w1", absences=tuple(away))]}}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("workers", "show", "w1") == 0
        lines = capsys.readouterr().out.splitlines()
        place = next(place for place, line in enumerate(lines) if line.startswith("Away "))
        assert [line.rpartition(": ")[2] for line in lines[place : place + 2]] == ["machine slept", "network away"]
        assert lines[place + 1].startswith(" ")
        assert await server.run("workers", "show", "--json", "w1") == 0
        assert '"cause":"slept","why":"machine slept"' in capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
async def test_workers_of_one_name_are_told_apart_and_trouble_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    full = {"trouble": "its disk is full"}
    found = [worker("box", "01936f0e-4f2a-7001-9c3f-000000000001"), worker("box", "01936f0f-0000-7001-9c3f-0000000001")]
    routes = {"GET /api/workers/list": {"workers": found}, f"PATCH /api/workers/{found[0].worker_id}": found[0]}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("workers") == 0
        heading, first, second = capsys.readouterr().out.splitlines()
        assert (heading.split()[0], first.split()[:2]) == ("ID", ["01936f0e-4f2a-7001", "box"])
        assert second.split()[:2] == ["01936f0f-0000-7001", "box"]
        assert await server.run("workers", "rename", found[0].worker_id, "box") == 0
        assert "Warning: 2 workers have that name now: " in capsys.readouterr().err
        server.routes["GET /api/workers/list"] = {"workers": [worker("w1", load=full)]}
        assert await server.run("workers") == 0
        assert capsys.readouterr().out.splitlines()[1].endswith("its disk is full")
        assert await server.run("workers", "show", "w1") == 0
        assert "Trouble    its disk is full\n" in capsys.readouterr().out
        warning = WorkerWarning("suspect", "It begins nothing.", "Start it anew.")
        suspect = worker("w1", load=full, state="suspect", warning=warning)
        server.routes["GET /api/workers/list"] = {"workers": [suspect]}
        assert await server.run("workers") == 0
        assert capsys.readouterr().out.splitlines()[1].endswith("It begins nothing.")
        assert await server.run("workers", "show", "w1") == 0
    assert "Trouble    It begins nothing.\n           Start it anew.\n" in capsys.readouterr().out


async def test_a_worker_that_joined_and_never_came_can_be_shut_out(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = {"GET /api/workers/list": {"workers": []}, f"DELETE /api/workers/{JOB_ID}": worker(state="revoked")}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("workers", "revoke", "--yes", JOB_ID) == 0
        assert await server.run("workers", "revoke", "--yes", "w1") == 1
    assert [one.method for one in server.asked] == ["GET", "DELETE", "GET"]


async def test_a_no_is_told_and_changes_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    class Person(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Person("n\n"))
    job = RunningView(job_id=JOB_ID, attempt=1, status="running")
    async with Answers({"GET /api/workers/list": {"workers": [worker(jobs=(job,))]}}).up(monkeypatch) as server:
        assert await server.run("workers", "revoke", "w1") == 1
        assert [one.method for one in server.asked] == ["GET"]
    said = capsys.readouterr()
    assert "which runs 1 job, for good?" in said.out + said.err
    assert said.err.endswith("cmdexec: Nothing was done.\n")


async def test_a_join_token_and_what_to_type_with_it(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    import msgspec

    made = msgspec.structs.replace(TOKEN, token="join_me")
    async with Answers({"POST /api/join-tokens": made}).up(monkeypatch) as server:
        assert await server.run("join-token", "create", "--uses", "3", "--expires", "24h", "-l", "site=attic") == 0
        url = server.url
    assert server.asked[0].body == {"name": None, "uses": 3, "expiresSec": 86400.0, "labels": {"site": "attic"}}
    told = capsys.readouterr()
    assert told.out == "join_me\n"
    assert f"cmdexec worker --headless --allow-host --server {url} --join join_me\n" in told.err
    assert "Good for 3 machines until 2026-11-25" in told.err
    assert "of this machine alone" in told.err


async def test_join_tokens_are_listed_and_revoked_by_name(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    routes = {"GET /api/join-tokens": {"joinTokens": [TOKEN]}, f"DELETE /api/join-tokens/{JOB_ID}": TOKEN}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("join-token") == 0
        assert capsys.readouterr().out == f"{JOB_ID}\tgood\t3\t1\t{TOKEN.expires_at}\tattic\tsite=attic\n"
        assert await server.run("join-token", "revoke", "attic") == 0
        assert server.asked[-1].method == "DELETE"
        assert await server.run("join-token", "revoke", "cellar") == 1
    assert "There is no join token `cellar`." in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
async def test_join_tokens_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """As wide as a time can be said."""
    import msgspec

    monkeypatch.setenv("COLUMNS", "40")
    ends = datetime.now(UTC) + timedelta(hours=23, minutes=30)
    token = msgspec.structs.replace(TOKEN, expires_at=ends.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    async with Answers({"GET /api/join-tokens": {"joinTokens": [token]}}).up(monkeypatch) as server:
        assert await server.run("join-token") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[0].split() == ["ID", "USED", "EXPIRES"], "all that are listed are good"
    assert lines[1].startswith(f"{JOB_ID[:18]}  ")


async def test_a_token_that_leaked_says_who_joined_with_it(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    import msgspec

    used = msgspec.structs.replace(TOKEN, state="revoked", workers=("worker-1", "worker-9"))
    routes = {"GET /api/join-tokens": {"joinTokens": [used]}, "GET /api/workers/list": {"workers": [worker("big")]}}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("join-token", "show", "attic") == 0
        shown = capsys.readouterr().out
        assert await server.run("join-token", "show", "attic", "--json") == 0
    assert "State      revoked\n" in shown
    assert "Joined     worker-1 (big, online)\n" in shown
    assert "           worker-9 (has not come yet)\n" in shown
    assert json.loads(capsys.readouterr().out)["workers"] == ["worker-1", "worker-9"]


@pytest.mark.parametrize(
    ("arguments", "change"),
    [
        (["role", "Ada@example.com", "admin"], {"role": "admin", "newPassword": False}),
        (["password", "ada@example.com"], {"newPassword": True}),
        (["disable", USER.user_id], {"disabled": True, "newPassword": False}),
        (["enable", "ada@example.com"], {"disabled": False, "newPassword": False}),
    ],
)
async def test_changes_of_a_user(
    arguments: list[str], change: dict[str, object], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    routes = {"GET /api/users": {"users": [ADA]}, f"PATCH /api/users/{USER.user_id}": ADA}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("users", *arguments) == 0
        assert server.asked[-1].body == change
        assert await server.run("users", "disable", "eve@example.com") == 1
    assert "There is no user `eve@example.com`. `cmdexec users` lists" in capsys.readouterr().err


async def test_ones_own_password_is_changed_with_the_old_one(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    import io

    me = {"user": {"userId": USER.user_id, "email": "ada@example.com", "role": "viewer"}, "permissions": [],
          "expiresAt": AT, "serverVersion": "1"}  # fmt: skip
    monkeypatch.setattr("sys.stdin", io.StringIO("the old one\nanother one of my own\n"))
    async with Answers({"PATCH /api/auth/me": {}, "GET /api/auth/me": me}).up(monkeypatch) as server:
        assert await server.run("users", "password", "--password-stdin") == 0
        assert server.asked[0].body == {"oldPassword": "the old one", "password": "another one of my own"}
        assert "ada@example.com has another password from now on." in capsys.readouterr().err
        monkeypatch.setattr("sys.stdin", io.StringIO("the old one\nshort\n"))
        assert await server.run("users", "password", "--password-stdin") == 1
    assert "This password has 5 characters. Give it 12 or more." in capsys.readouterr().err


async def test_a_password_that_was_made_is_printed_alone(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    import msgspec

    made = msgspec.structs.replace(ADA, password="made-by-the-server")
    async with Answers({"POST /api/users": made, "GET /api/users": {"users": [ADA]}}).up(monkeypatch) as server:
        assert await server.run("users", "add", "ada@example.com") == 0
        assert server.asked[0].body == {"email": "ada@example.com", "role": "operator", "password": None}
        told = capsys.readouterr()
        assert told.out == "made-by-the-server\n"
        assert "It is shown this once." in told.err
        assert await server.run("users") == 0
    assert capsys.readouterr().out == f"ada@example.com\toperator\tenabled\t{AT}\t{USER.user_id}\n"


async def test_a_server_that_is_busy_is_waited_for_and_told_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    busy = Refusal(429, "too_many", "Too many requests.")
    async with Answers({"GET /api/jobs": [busy, busy, busy, page()]}).up(monkeypatch) as server:
        monkeypatch.setenv("TELL_AFTER_SEC", "10ms")
        assert await server.run("jobs") == 0
    assert capsys.readouterr().err.count("cmdexec: Too many requests. Trying again.\n") == 1
    assert len(server.asked) == 4


async def test_a_server_that_is_silent_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    said, answers = [""], asyncio.Event()

    async def late(_: Asked) -> JobsPage:
        await answers.wait()
        return page()

    def told() -> bool:
        said[0] += capsys.readouterr().err
        return "\n" in said[0]

    async with Answers({"GET /api/jobs": late}).up(monkeypatch) as server, asyncio.TaskGroup() as group:
        monkeypatch.setenv("TELL_AFTER_SEC", "10ms")
        command = group.create_task(server.run("jobs"))
        await becomes(told, "it says whom it waits for")
        answers.set()
        assert await command == 0
        assert said[0] + capsys.readouterr().err == f"cmdexec: Waiting for the server at {server.url} to answer.\n"
