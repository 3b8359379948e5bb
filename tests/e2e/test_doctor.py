"""`cmdexec doctor` beside a real server: while it works, when it was killed, and where its store is not as it was."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from cmdexec.store.sqlite.engine import FILE
from tests.support.api import Api
from tests.support.cli import Result, run
from tests.support.system import FAST, Server, Worker, ends

WROTE = b"0123456789" * 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "s", **FAST).start()
    with ends(server):
        yield server


def doctor(server: Server, *arguments: str) -> Result:
    return run(server.folder / "doctor", ["doctor", "--data-dir", str(server.data), *arguments])


def verified(server: Server) -> tuple[int, dict[str, list[dict[str, str]]], dict[str, Any]]:
    """The exit code, what was found of each rule that does not hold, and all that was said."""
    result = doctor(server, "--verify", "--json")
    assert result.stdout, result.stderr
    told = json.loads(result.stdout)
    assert told["ok"] == (result.code == 0)
    return result.code, {rule["name"]: rule["found"] for rule in told["rules"] if not rule["ok"]}, told


def with_jobs(server: Server) -> tuple[Api, list[str]]:
    """Three jobs that have ended, one of them with an output of 10,000 bytes."""
    api = server.api()
    worker = Worker(server, "w", **FAST)
    with ends(worker):
        worker.start(api)
        many = "i=0; while [ $i -lt 1000 ]; do printf 0123456789; i=$((i+1)); done"
        ids = api.create_many([{"command": many}, {"command": "exit 3"}, {"command": "echo no >&2"}])
        api.wait_ended(ids)
        assert api.output(ids[0]) == WROTE
        assert worker.stop() == 0
    return api, ids


def test_it_verifies_a_server_while_that_works(server: Server) -> None:
    """Jobs come and end all the time, and none of it is taken for a fault; nor does the server notice."""
    worker, stop, failures = Worker(server, "w", slots=4, **FAST), threading.Event(), list[BaseException]()
    with ends(worker):
        api = server.api()
        worker.start(api)
        done: list[str] = []

        def submit() -> None:
            mine = server.api()
            try:
                while not stop.is_set():
                    ids = mine.create_many([{"command": "seq 300; exit 1"}] * 5)
                    mine.wait_ended(ids)
                    done.extend(ids)
            except BaseException as failure:
                failures.append(failure)

        submitter = threading.Thread(target=submit)
        submitter.start()
        try:
            jobs = 0
            while jobs < 40 and not failures:
                code, wrong, told = verified(server)
                assert (code, wrong) == (0, {})
                assert told["jobs"] >= jobs
                jobs = told["jobs"]
        finally:
            stop.set()
            submitter.join()
        assert not failures, failures
        code, wrong, told = verified(server)
        assert (code, wrong, told["jobs"], told["passedOver"]) == (0, {}, len(done), 0)
        assert told["outputBytes"] == len(done) * sum(len(f"{number}\n") for number in range(1, 301))


def changed(job: bytes, **fields: Any) -> bytes:
    """The stored document of a job with other fields."""
    return msgspec.msgpack.encode(msgspec.msgpack.decode(job) | fields)


def spoil_status(db: apsw.Connection, job_id: str) -> None:
    (doc,) = next(db.execute("SELECT doc FROM jobs WHERE job_id = ?", (job_id,)))
    db.execute("UPDATE jobs SET doc = ?, status = 'queued' WHERE job_id = ?", (changed(doc, status="queued"), job_id))


SPOILED: dict[str, tuple[Callable[[apsw.Connection, str], None], int, set[str], str]] = {
    "a piece of output is gone": (
        lambda db, _job_id: db.execute("DELETE FROM chunks WHERE start = 0 AND length(data) > 9000") and None,
        0, {"C7", "C8"}, "stdout of attempt 1 has 0 bytes, and counts 10000",
    ),
    "a byte of output is another": (
        lambda db, _job_id: db.execute("UPDATE chunks SET data = CAST('x' || substr(data, 2) AS BLOB) "
                                       "WHERE length(data) > 9000") and None,
        0, {"C8"}, "stdout of attempt 1 is called whole with the digest ",
    ),
    "an ended job waits again": (spoil_status, 1, {"C3", "C10"}, "it is queued, and its history ends with failed"),
}  # fmt: skip


@pytest.mark.parametrize("spoiled", SPOILED)
def test_what_is_wrong_in_a_store_is_found_and_named(server: Server, spoiled: str) -> None:
    """Each by hand, in the file of a server that is not there."""
    spoil, which, rules, said = SPOILED[spoiled]
    _, ids = with_jobs(server)
    server.kill9()
    code, wrong, told = verified(server)
    assert (code, wrong, told["jobs"]) == (0, {}, 3), "killed, with a log that was not moved into the file"
    db = apsw.Connection(os.fspath(server.data / FILE))
    spoil(db, ids[which])
    db.close()
    code, wrong, told = verified(server)
    assert (code, set(wrong)) == (3, rules)
    told_of = [(one["jobId"], one["message"][: len(said)]) for found in wrong.values() for one in found]
    assert (ids[which], said) in told_of
    shown = doctor(server, "--verify")
    assert (shown.code, said.strip() in " ".join(shown.stdout.decode().split())) == (3, True)
    (server.data / FILE).unlink()


def test_it_says_how_a_server_is(server: Server) -> None:
    with_jobs(server)
    well = doctor(server)
    assert (well.code, well.stderr) == (0, "")
    said = " ".join(well.stdout.decode().split())
    assert f"The server at {server.url} (process {server.pid}, " in said
    assert "Jobs: 2 completed, 1 failed." in said
    server.kill9()
    server.data.chmod(0o755)
    ill = doctor(server)
    said = " ".join(ill.stdout.decode().split())
    assert ill.code == 3
    assert f"wrong Others can look into {server.data} (mode 755)" in said
    assert f"wrong A server was started at {server.url} (process {server.pid}) and does not answer." in said
    assert "ok The store can be read." in said


def test_a_damaged_file_is_said_to_be_one(server: Server) -> None:
    assert server.stop() == 0
    with (server.data / FILE).open("r+b") as file:
        file.write(b"nonsense")
    ill = doctor(server)
    assert ill.code == 3
    assert "is damaged, or is not a store of cmdexec." in " ".join(ill.stdout.decode().split())
    result = doctor(server, "--verify")
    assert (result.code, result.stdout) == (1, b"")
    assert "is damaged, or is not a store of cmdexec." in result.stderr
    (server.data / FILE).unlink()


def test_what_is_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    def said(*arguments: str) -> tuple[int, str]:
        result = run(tmp_path / "doctor", ["doctor", "--data-dir", *arguments])
        return result.code, " ".join(f"{result.stdout.decode()} {result.stderr}".split())

    file, empty, locked = tmp_path / "file", tmp_path / "empty", tmp_path / "file" / "folder"
    file.write_text("")
    empty.mkdir(mode=0o700)
    (empty / FILE).touch()
    assert said(str(file)) == (3, f"wrong {file} is no folder. Name a folder as --data-dir.")
    code, text = said(str(locked))
    assert (code, "cannot be looked at: Not a directory." in text) == (3, True)
    code, text = said(str(locked), "--verify")
    assert (code, "cannot be looked at: Not a directory." in text) == (1, True)
    code, text = said(str(empty))
    assert (code, "is empty, and no store. Put a backup in its place" in text) == (3, True)
    code, text = said(str(empty), "--verify")
    assert (code, "is empty, and no store." in text) == (1, True)
    assert (empty / FILE).stat().st_size == 0


def test_a_job_that_cannot_be_read_is_no_fault_of_doctors(server: Server) -> None:
    with_jobs(server)
    assert server.stop() == 0
    db = apsw.Connection(os.fspath(server.data / FILE))
    db.execute("UPDATE jobs SET doc = x'00' WHERE seq = 2")
    db.close()
    result = doctor(server, "--verify")
    assert (result.code, result.stdout) == (1, b"")
    assert "What is stored of a job is none of cmdexec's" in result.stderr
    (server.data / FILE).unlink()


def test_a_recorded_history_needs_no_server(tmp_path: Path) -> None:
    """What is wrong in it is told with its rule and its job; what is no history, as a fault of the file."""
    history = tmp_path / "history"
    case, call, end = (
        {"is": "case", "name": "by hand", "number": 1, "seed": 1, "began": 0, "bound_sec": 10},
        {"is": "call", "at": 1, "op": "jobs.create", "key": "k", "jobs": ["j1"], "names": ["k/0"], "status": 200},
        {"is": "end", "at": 2},
    )
    history.write_text("".join(f"{json.dumps(line)}\n" for line in (case, call, end)))

    def said(*words: str) -> tuple[int, str]:
        result = run(tmp_path / "doctor", ["doctor", *words])
        return result.code, " ".join(f"{result.stdout.decode()} {result.stderr}".split())

    code, text = said("--verify", "--history", str(history), "--history", str(history))
    assert code == 3
    assert "wrong A job whose submission was acknowledged is there, once. (C1) j1: its submission k was ack" in text
    assert "ok All jobs have ended soon after the last fault. (C12) ok " in text
    assert "(C13) 2 cases with 0 jobs and 2 calls were looked at." in text
    history.write_text(json.dumps(case) + "\n")
    code, text = said("--verify", "--history", str(history))
    assert (code, "by hand, case 1 has no end, so it was broken off." in text) == (1, True)
    code, text = said("--history", str(history))
    assert (code, "add --verify" in text) == (2, True)
