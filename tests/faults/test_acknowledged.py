"""What is acknowledged is on disk, and what is not acknowledged is kept by who sent it: each broken on purpose."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.api import ApiError
from tests.support.ledger import Ledger
from tests.support.spoken import LONG, ended, says, spoken
from tests.support.system import FAST, Process, Server, Worker, ends
from tests.support.waiting import until

FULL = 8 * 1024
"""Bytes: less than any commit needs, and more than the log of these servers."""
ESTABLISHED = "01"


@contextmanager
def no_file_grows(process: Process, beyond: int) -> Iterator[None]:
    """No file of a running process may become longer than that: its disk is full (getrlimit(2), RLIMIT_FSIZE)."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (beyond, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


def unread_bytes(port: int) -> int:
    """What was sent to a port of 127.0.0.1 and not read there (proc(5), /proc/net/tcp)."""
    here = f"0100007F:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(int(row[4].partition(":")[2], 16) for row in rows if row[1] == here and row[3] == ESTABLISHED)


def test_a_server_that_cannot_write_acknowledges_nothing(tmp_path: Path) -> None:
    """And goes on by itself as soon as it can; what it acknowledged then is there after kill -9 (promises 1 and 8)."""
    server = Server(tmp_path, **FAST).start()
    with ends(server):
        api = server.api()
        before = api.create({"command": "true"})["jobId"]
        batch = [{"command": "echo a command of some length"}] * 1000
        with no_file_grows(server, beyond=FULL):
            for _ in range(3):
                with pytest.raises(ApiError) as refused:
                    api.create_many(batch, key="k")
                assert refused.value.status in (503, 507)
            assert api.job(before)["status"] == "queued", "what was stored can still be read"
        job_ids = api.create_many(batch, key="k")
        server.kill9()
        server.start()
        api = server.api()
        assert [job["status"] for job in api.jobs([before, *job_ids])] == ["queued"] * 1001
        assert api.create_many(batch, key="k") == job_ids


async def test_a_server_that_cannot_write_grants_no_start_and_takes_no_result(tmp_path: Path) -> None:
    """`go`, `ok` and the acknowledgement of output all come after their commit (promises 3, 4 and 5)."""
    server = Server(tmp_path, **LONG).start()
    with ends(server):
        api = server.api()
        first, second = api.create_many([{"command": "true"}] * 2)
        async with spoken(server, "w", slots=2) as w:
            assert {job["jobId"] for job in await w.told("assign")} == {first, second}
            one, other = {"jobId": first, "attempt": 1}, {"jobId": second, "attempt": 1}
            assert await says(w, "start", one) == ("go", None)
            with no_file_grows(server, beyond=FULL):
                assert await says(w, "start", other) == ("again", "overloaded")
                assert await says(w, "done", ended(first, 1, 3)) == ("again", "overloaded")
                await w.send_output(one, "stdout", 0, b"hello")
                await w.ask("heartbeat", {"jobs": [one, other]})
                assert w.heard == [], "no acknowledgement came before that answer"
                assert [job["status"] for job in api.jobs([first, second])] == ["running", "assigned"]
            (ack,) = await w.told("ack")
            assert (ack["stdout"], ack.get("tell", "ok")) == (5, "ok")
            assert await says(w, "start", other) == ("go", None)
            assert await says(w, "done", ended(first, 1, 3, b"hello")) == ("ok", None)
        server.kill9()
        server.start()
        api = server.api()
        assert [job["status"] for job in api.jobs([first, second])] == ["failed", "running"]
        assert api.output(first) == b"hello"


@pytest.mark.timeout(90)
def test_what_a_server_took_and_never_stored_is_sent_again(tmp_path: Path) -> None:
    """It is frozen while a job writes and ends, and then killed: all that lay in its sockets dies with it."""
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **FAST)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        ledger, gate, written = Ledger(tmp_path / "ledger"), tmp_path / "gate", tmp_path / "written"
        text = b"".join(b"%d\n" % number for number in range(1, 8001))
        written.write_bytes(text)
        waits = f"{ledger.says('begin')}; until [ -e {gate} ]; do sleep 0.02; done"
        job_ids = api.create_many(
            [
                {"command": f"{waits}; {then}; {ledger.says('end')}"}
                for then in (f"cat {written}", f"echo short; head -c 3000 {written} >&2")
            ]
        )
        until(lambda: len(ledger.unended()) == 2, "both are running")
        server.send(signal.SIGSTOP)
        gate.touch()
        until(lambda: not ledger.unended(), "both have ended")
        sent = len(text) + len("c2hv") * 1000
        until(lambda: unread_bytes(server.port) > sent, "all of it lies in the server's socket, and nobody takes it")
        server.kill9()
        server.start()
        api = server.api()
        jobs = api.wait_ended(job_ids, within=30)
        assert [(job["status"], job["attempt"]) for job in jobs] == [("completed", 1)] * 2
        assert [job["output"]["stdout"]["whole"] for job in jobs] == [True, True]
        assert api.output(job_ids[0]) == text
        assert api.output(job_ids[1]) == b"short\n"
        assert api.output(job_ids[1], "stderr") == text[:3000]


async def test_output_that_comes_again_after_a_break_is_stored_once(tmp_path: Path) -> None:
    """Acknowledgements were lost with the connection, and then with the server: the worker goes back, and overlaps."""
    server = Server(tmp_path, **LONG).start()
    with ends(server):
        api = server.api()
        job_id = api.create({"command": "true"})["jobId"]
        one = {"jobId": job_id, "attempt": 1}
        async with spoken(server, "w") as w:
            assert (await w.told("assign"))[0]["jobId"] == job_id
            assert await says(w, "start", one) == ("go", None)
            await w.send_output(one, "stdout", 0, b"hello ")
            assert (await w.told("ack"))[0]["stdout"] == 6
        async with spoken(server, "w", (job_id, 1)) as w:
            await w.send_output(one, "stdout", 0, b"hello wo")
            assert (await w.told("ack"))[0]["stdout"] == 8
        server.kill9()
        server.start()
        api = server.api()
        async with spoken(server, "w", (job_id, 1)) as w:
            await w.send_output(one, "stdout", 4, b"o wor")
            assert (await w.told("ack"))[0]["stdout"] == 9
            end = ended(job_id, 1, 0, b"rld\n") | {"output": {"stdout": {"bytes": 12}, "stderr": {"bytes": 0}}}
            assert await says(w, "done", end) == ("ok", None)
        assert api.output(job_id) == b"hello world\n"
