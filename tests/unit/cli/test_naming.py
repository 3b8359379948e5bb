"""How jobs and workers are named, and what is said where a name means none or several."""

import pytest

from cmdexec.protocol.requests import CancelledView
from tests.support.answers import USER, Answers, Refusal, page, row, worker
from tests.support.scripted import JOB_ID, job

Captured = pytest.CaptureFixture[str]
OTHER = "01936f0e-4f2a-7002-8c3f-0a1b2c3d4e5f"
ME = {"user": USER, "permissions": [], "expiresAt": "2026-11-26T10:00:00.000Z", "serverVersion": "0"}


def shown(*rows: str, **more: object) -> Answers:
    routes = {"GET /api/jobs": page(*map(row, rows)), "GET /api/jobs/status": job(), "GET /api/workers/list": []}
    return Answers(routes | more)


async def test_a_whole_id_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shown().up(monkeypatch) as server:
        assert await server.run("show", "--json", JOB_ID.upper()) == 0
    assert [(one.path, one.query) for one in server.asked] == [("/api/jobs/status", {"jobId": JOB_ID})]


async def test_the_beginning_of_an_id_is_enough_if_it_is_the_only_one(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with shown(JOB_ID, OTHER).up(monkeypatch) as server:
        assert await server.run("show", "--json", JOB_ID[:20]) == 0
        assert server.asked[0].query["q"] == JOB_ID[:20]
        assert server.asked[1].query == {"jobId": JOB_ID}
        assert await server.run("show", "01936f0e") == 1
        assert f"The ids of 2 jobs begin with 01936f0e: {JOB_ID}, {OTHER}. Write more of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("0193", "`0193` names no job. Write an id, as much of one as `cmdexec jobs` shows, its whole name, or `last`"),
        ("build", "`build` names no job."),
        ("", "An empty text names no job."),
        ("ffffff", "No job's id begins with ffffff, none of a new job ends so, and none is named so. `cmdexec jobs`"),
        ("\udcff\x1b[31m", "names no job."),
    ],
)
async def test_a_name_of_no_job_is_told(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """A name or a tag that begins so is no job's id."""
    async with shown(JOB_ID).up(monkeypatch) as server:
        assert await server.run("logs", name) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "\x1b" not in told


async def test_a_job_is_named_by_its_very_name_and_the_newest_is_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Also where it looks like a part of an id, and however many newer ones have names that begin so."""
    async with shown().up(monkeypatch) as server:
        for name in ("nightly", "Ab", "deadbeef", "n" * 150 + "ä" * 50):
            newer = page(row(OTHER, name=f"{name}-2"), row(OTHER, name=None, tags=(name,)), more="c")
            server.routes["GET /api/jobs"] = [newer, page(row(JOB_ID, name=name), row(OTHER, name=name))]
            if name == "deadbeef":
                server.routes["GET /api/jobs"].insert(0, page())
            del server.asked[:]
            assert await server.run("show", "--json", name) == 0
            assert server.asked[-1].query == {"jobId": JOB_ID}
            assert name.startswith(server.asked[0].query["q"])
            server.routes["GET /api/jobs"] = page(row(OTHER, name=f"{name}-2"))
            assert await server.run("show", "--json", name) == 1
    told = capsys.readouterr().err
    assert "`nightly` names no job." in told
    assert "none is named so" in told


async def test_the_end_of_an_id_is_enough_too(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Ids of one hour begin alike."""
    async with shown(JOB_ID, OTHER[:-1] + "0").up(monkeypatch) as server:
        assert await server.run("show", "--json", JOB_ID[-6:]) == 0
        assert server.asked[1].query == {"jobId": JOB_ID}
        server.routes["GET /api/jobs"] = page(row(JOB_ID), row(OTHER), more="c")
        assert await server.run("show", "01936f0e") == 1
    assert "The ids of at least 2 jobs begin with 01936f0e" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("permissions", "mend"), [(["run jobs"], "Submit one"), (["view jobs"], "`cmdexec jobs` lists those of others.")]
)
async def test_last_is_never_the_job_of_somebody_else_however_many_those_have_submitted(
    permissions: list[str], mend: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """It may be cancelled by that name; and the server may look through only so many jobs for one page."""
    told = CancelledView(jobs=())
    jobs: list[object] = [page(more="further"), page(row(JOB_ID), more="and further")]
    async with shown(
        **{"GET /api/auth/me": ME | {"permissions": permissions}, "GET /api/jobs": jobs, "POST /api/jobs/cancel": told}
    ).up(monkeypatch) as server:
        assert await server.run("cancel", "last") == 0
        assert [one.query.get("owner") for one in server.asked] == ["me", "me", None]
        assert server.asked[1].query["cursor"] == "further"
        assert server.asked[-1].body == {"jobId": [JOB_ID]}
        server.routes["GET /api/jobs"] = page()
        assert await server.run("cancel", "last") == 1
    assert f"There is no job of yours. {mend}" in capsys.readouterr().err
    assert len([one for one in server.asked if one.method == "POST"]) == 1


W1, OLD, BIG = worker("w1", "worker-1"), worker("w1", "worker-0", state="revoked"), worker("big", "worker-2")


@pytest.mark.parametrize(
    ("name", "code", "found"),
    [("w1", 0, "worker-1"), ("worker-0", 0, "worker-0"), ("bi", 0, "worker-2"), ("worker-", 1, "may be any of 3"),
     ("no", 1, "There is no worker `no`."), ("", 1, "There is no worker without a name.")],
)  # fmt: skip
async def test_a_worker_is_named_by_name_id_or_the_beginning_of_one(
    name: str, code: int, found: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Of two with one name it is the one that was not revoked."""
    async with Answers({"GET /api/workers/list": {"workers": [W1, OLD, BIG]}}).up(monkeypatch) as server:
        assert await server.run("workers", "show", "--json", name) == code
    said = capsys.readouterr()
    assert (f'"workerId":"{found}"' in said.out) if code == 0 else found in said.err


async def test_a_refusal_says_as_whom_one_was_refused(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    refused = Refusal(403, "forbidden", "This needs the permission to run jobs.", "Ask an admin.")
    told = "cmdexec: This needs the permission to run jobs. Ask an admin."
    async with shown(**{"POST /api/jobs/cancel": refused, "GET /api/auth/me": ME}).up(monkeypatch) as server:
        assert await server.run("cancel", JOB_ID) == 1
        who = f" You are ada@example.com (operator) at {server.url} (`cmdexec whoami`)."
        assert capsys.readouterr().err == f"{told}{who}\n"
        del server.routes["GET /api/auth/me"]
        assert await server.run("cancel", JOB_ID) == 1
    assert capsys.readouterr().err == f"{told}\n"
