"""A worker joins with a token: its credential is on the disk before any server hears of it, so nothing is half done."""

import asyncio
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.protocol.messages import Assignment
from cmdexec.settings.load import load
from cmdexec.settings.worker import WorkerSettings
from tests.support.waiting import becomes
from tests.support.worker import job_id
from tests.support.worker_server import RunningWorker, WorkerServer

TOKEN = "cj_" + "t" * 43
NO_SECRET: dict[str, Any] = {"worker_token_secret": None, "join_token": TOKEN}


@pytest.fixture
async def server() -> Any:
    server = WorkerServer()
    await server.open()
    yield server
    await server.close()


async def lived(server: WorkerServer, folder: Path, **values: Any) -> None:
    """A worker came, was connected, and ended."""
    beats = len(server.of("heartbeat"))
    worker = RunningWorker(server, folder, **NO_SECRET | values)
    await server.until(lambda: worker.task.done() or len(server.of("heartbeat")) > beats, "it is connected")
    assert await worker.end() == 0


def said(caplog: pytest.LogCaptureFixture) -> str:
    """The log, with the fields of its lines."""
    return "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)


async def ended(worker: RunningWorker) -> None:
    worker.task.cancel()
    await asyncio.wait([worker.task])


def refuses(asked: dict[str, Any]) -> tuple[int, Any]:
    error = {"code": "bad_join_token", "message": "This join token was used up.", "mend": "Ask for a new one."}
    return 401, {"error": error}


async def test_it_joins_and_then_shows_a_credential_that_no_server_ever_had(
    server: WorkerServer, tmp_path: Path
) -> None:
    worker = RunningWorker(server, tmp_path, **NO_SECRET)
    await server.until(lambda: server.of("heartbeat"), "it is connected")
    file = tmp_path / "worker" / "credential"
    credential = file.read_text().strip()
    [asked] = server.joins
    assert (asked["token"], asked["name"]) == (TOKEN, "w")
    assert asked["credentialHash"] == hashlib.sha256(credential.encode()).hexdigest()
    assert (credential[:3], len(credential)) == ("wc_", 46)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert server.headers[0]["x-worker-token"] == credential
    assert server.of("register")[0].worker_id is None, "the credential says who it is"
    assert await worker.end() == 0
    assert sorted(path.name for path in (tmp_path / "worker").iterdir() if "joining" in path.name) == []


async def test_what_was_joined_is_remembered_and_the_token_is_used_once(
    server: WorkerServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await lived(server, tmp_path)
    await lived(server, tmp_path, server_url=None)
    assert len(server.joins) == 1
    assert "the join token is not used" in caplog.text
    assert TOKEN not in said(caplog)


async def test_the_name_and_labels_of_its_joining_hold_at_later_starts(server: WorkerServer, tmp_path: Path) -> None:
    """Also what TOML has to escape; and another joining may give others."""
    for name in ('a "näme"\\', "another"):
        keeps = {"worker_name": name, "labels": ("gpu=a100", "site=attic")}
        await lived(server, tmp_path, rejoin=True, keeps=keeps)
        folder = str(tmp_path / "worker")
        later = load(WorkerSettings, flags={"data_dir": folder}, environ={}, dotenv=None).settings
        assert (later.worker_name, later.labels) == (name, ("gpu=a100", "site=attic"))
    named = load(WorkerSettings, flags={"data_dir": folder, "worker_name": "n"}, environ={}, dotenv=None).settings
    assert (named.worker_name, named.labels) == ("n", ("gpu=a100", "site=attic"))


async def test_a_settings_file_that_is_there_already_stays_as_it_is(
    server: WorkerServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "worker" / "cmdexec.toml"
    file.parent.mkdir(mode=0o700)
    file.write_text("slots = 3\n")
    await lived(server, tmp_path, keeps={"worker_name": "n"})
    assert file.read_text() == "slots = 3\n"
    assert "its name and labels are not kept for its next start" in caplog.text


async def test_a_reply_that_is_lost_is_asked_for_with_the_same_hash_also_after_a_restart(
    server: WorkerServer, tmp_path: Path
) -> None:
    server.join = lambda _asked: (0, None)
    worker = RunningWorker(server, tmp_path, **NO_SECRET)
    await server.until(lambda: len(server.joins) >= 3, "it asks again")
    await ended(worker)
    assert not (tmp_path / "worker" / "credential").exists(), "it is none before the server has said so"
    server.join = WorkerServer().join
    worker = RunningWorker(server, tmp_path, **NO_SECRET)
    await server.until(lambda: server.of("heartbeat"), "it has joined")
    assert len({asked["credentialHash"] for asked in server.joins}) == 1
    await worker.end()


async def test_a_refused_token_ends_it_with_the_servers_words_and_leaves_nothing(
    server: WorkerServer, tmp_path: Path
) -> None:
    server.join = refuses
    with pytest.raises(CmdexecError, match="used up") as raised:
        await RunningWorker(server, tmp_path, **NO_SECRET).task
    assert (raised.value.code, raised.value.mend) == ("bad_join_token", "Ask for a new one.")
    assert {path.name for path in (tmp_path / "worker").iterdir()} == {"worker.lock", "warden.lock"}
    assert not server.connections


async def test_a_server_that_is_away_is_waited_for_and_one_that_has_no_time_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = WorkerServer()
    await server.open()
    url, port = server.url, server._server.port
    await server.close()
    worker = RunningWorker(server, tmp_path, **NO_SECRET | {"server_url": url})
    await becomes(lambda: "cannot join yet" in caplog.text, "it says what it waits for")
    assert f"The server at {url} cannot be reached: nothing answers there." in said(caplog)
    busy = {"error": {"code": "overloaded", "message": "Too much to do."}}
    later = WorkerServer()
    later.join = lambda _asked: (503, busy) if len(later.joins) < 3 else (200, {"workerId": "x", "labels": {}})
    later._server.port = port
    await later.open()
    try:
        await later.until(lambda: later.of("heartbeat"), "it joins when it can")
        await worker.end()
        assert said(caplog).count("nothing answers there") == 1
    finally:
        await ended(worker)
        await later.close()


async def test_told_to_end_it_does_not_wait_for_a_server_that_is_away(server: WorkerServer, tmp_path: Path) -> None:
    server.join = lambda _asked: (0, None)
    worker = RunningWorker(server, tmp_path, **NO_SECRET)
    await server.until(lambda: server.joins, "it tries")
    assert await worker.end() == 0
    assert (tmp_path / "worker" / "joining.json").exists(), "a server may know of it"


async def test_one_that_cannot_join_for_as_long_as_it_may_be_idle_ends_and_says_why(
    server: WorkerServer, tmp_path: Path
) -> None:
    busy = {"error": {"code": "overloaded", "message": "Too much to do.", "mend": "Come later."}}
    server.join = lambda _asked: (503, busy)
    fast = {"idle_timeout_sec": 0.1, "connect_timeout_sec": 0.3}
    worker = RunningWorker(server, tmp_path, **NO_SECRET | fast)
    with pytest.raises(CmdexecError, match=r"^Idle, and not joined for 0\.3 s, .* Too much to do\.") as raised:
        await asyncio.wait_for(worker.task, 10)
    assert (raised.value.code, raised.value.mend) == ("server_away", "Come later.")
    assert (tmp_path / "worker" / "joining.json").exists(), "a server may know of it"


async def test_another_server_than_the_one_joined_is_no_accident(server: WorkerServer, tmp_path: Path) -> None:
    await lived(server, tmp_path)
    with pytest.raises(CmdexecError, match="has joined the server at") as raised:
        await RunningWorker(server, tmp_path, **NO_SECRET | {"server_url": "http://127.0.0.1:9"}).task
    assert f"has joined the server at {server.url}, and not the one at http://127.0.0.1:9." in str(raised.value)
    assert "--rejoin" in str(raised.value)
    await lived(server, tmp_path, server_url=server.url + "/")


async def test_rejoining_takes_a_new_credential_and_puts_aside_what_was_the_old_workers(
    server: WorkerServer, tmp_path: Path
) -> None:
    await lived(server, tmp_path)
    data = tmp_path / "worker"
    before, session = (data / "credential").read_text(), server.of("register")[0].session
    server.join = refuses
    with pytest.raises(CmdexecError, match="used up"):
        await RunningWorker(server, tmp_path, rejoin=True, **NO_SECRET).task
    assert (data / "credential").read_text() == before, "a refusal takes nothing away"
    server.join = lambda _asked: (200, {"workerId": "another", "labels": {}})
    await lived(server, tmp_path, rejoin=True)
    assert (data / "credential").read_text() != before
    assert json.loads((data / "joined.json").read_text()) == {"server": server.url, "workerId": "another"}
    assert server.of("register")[-1].session != session, "what the old one held is nothing to the new one"
    assert [path.name for path in data.glob("spool*")] == ["spool"], "it held nothing"


async def test_what_the_old_worker_had_not_delivered_is_kept_aside(server: WorkerServer, tmp_path: Path) -> None:
    worker = RunningWorker(server, tmp_path, hand_back_sec=0.0, **NO_SECRET)
    await server.until(lambda: server.of("heartbeat"), "it is connected")
    usual = server.say
    server.say = lambda op, item: None if op == "done" else usual(op, item)
    await server.assign(Assignment(job_id=job_id(1), attempt=1, command="echo not delivered"))
    await server.until(lambda: server.of("done"), "its result is said, and nobody answers")
    await ended(worker)
    server.say, said = usual, len(server.of("done"))
    server.join = lambda _asked: (200, {"workerId": "another", "labels": {}})
    await lived(server, tmp_path, rejoin=True)
    assert len(server.of("done")) == said
    assert b"not delivered" in (tmp_path / "worker" / "spool.a-new-worker" / "journal").read_bytes()


async def test_a_server_that_wants_it_no_more_ends_it_at_once(server: WorkerServer, tmp_path: Path) -> None:
    worker = RunningWorker(server, tmp_path, **NO_SECRET)
    await server.until(lambda: server.of("heartbeat"), "it is connected")
    mend = "Let it join again, with a new join token."
    server.refuse, server.words = 403, {
        "code": "forbidden", "message": "This worker was revoked by ada@example.com.", "mend": mend,
    }  # fmt: skip
    server.cut()
    with pytest.raises(CmdexecError, match=r"revoked by ada@example\.com") as raised:
        await asyncio.wait_for(worker.task, 10)
    assert raised.value.code == "forbidden"
    again = "With a new token, `cmdexec worker --headless --allow-host --rejoin --join TOKEN` has it join anew."
    assert raised.value.mend == again, "and not the same twice"
    assert server.connections == 3, "one try, and one question why"
