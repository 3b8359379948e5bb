"""Whatever happens to a connection: each attempt runs once, each byte arrives once, each result is taken once."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest

from cmdexec.errors import CmdexecError
from cmdexec.link.socket import Close
from cmdexec.protocol.messages import Assignment, Failure
from tests.support.waiting import becomes, until
from tests.support.worker import job_id
from tests.support.worker_server import SECRET, RunningWorker, serving, told

WRITER = """
import sys, os, time
for i in range(40):
    os.write(1, b"%05d " % i * 1000)
    time.sleep(0.01)
"""
WRITTEN = b"".join(b"%05d " % i * 1000 for i in range(40))


def job(number: int, command: str | tuple[str, ...], **more: object) -> Assignment:
    return Assignment(job_id=job_id(number), attempt=1, command=command, **more)  # type: ignore[arg-type]


def writer(number: int) -> Assignment:
    return job(number, (sys.executable, "-I", "-c", WRITER))


async def test_it_signs_a_token_that_any_jwt_library_accepts(tmp_path: Path) -> None:
    async with serving(tmp_path, worker_id="worker-1") as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        token = {name.lower(): value for name, value in server.headers[0].items()}["x-worker-token"]
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": ["workerId", "iat", "exp"]})
        assert claims["workerId"] == "worker-1"
        assert claims["exp"] - claims["iat"] == 24 * 3600
        assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(token, SECRET + "x", algorithms=["HS256"])


async def test_a_credential_of_its_own_goes_before_the_shared_secret(tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    folder.mkdir(mode=0o700)
    (folder / "credential").write_text("wc_0123456789\n")
    (folder / "credential").chmod(0o600)
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: server.of("register"), "it registers")
        assert server.headers[0]["x-worker-token"] == "wc_0123456789"
        assert server.of("register")[0].worker_id is None, "the credential says it"


async def test_its_id_and_session_outlive_it_and_each_process_is_an_instance(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        await worker.end()
        second = RunningWorker(server, tmp_path)
        await server.until(lambda: len(server.of("register")) == 2, "it is there again")
        first, again = server.of("register")
        assert (first.worker_id, first.session) == (again.worker_id, again.session)
        assert first.instance_id != again.instance_id
        await second.end()


async def test_cut_at_any_time_each_byte_arrives_once(tmp_path: Path) -> None:
    """Cut again and again while jobs write, half of the time without having acknowledged anything."""
    async with serving(tmp_path, output_window_bytes=64 * 1024) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        await server.assign(writer(1), writer(2))
        for round_ in range(6):
            server.acks = round_ % 2 == 0
            seen = len(server.of("output"))
            await server.until(lambda seen=seen: len(server.of("output")) > seen + 2, "output comes")
            connections = server.connections
            server.cut()
            await server.until(lambda connections=connections: server.connections > connections, "it comes again")
        server.acks = True
        done = await server.results(2)
        assert {one.exit_code for one in done} == {0}
        assert server.bytes_of(job_id(1)) == WRITTEN
        assert server.bytes_of(job_id(2)) == WRITTEN
        assert len(server.of("start")) == 2, "nothing was asked to start again"


async def test_a_window_full_of_lost_acknowledgements_opens_again(tmp_path: Path) -> None:
    async with serving(tmp_path, output_window_bytes=64 * 1024) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        server.acks = False
        await server.assign(writer(1))
        await server.until(lambda: len(server.bytes_of(job_id(1))) >= 64 * 1024, "the window is full")
        server.acks = True
        server.cut()
        await server.results(1)
        assert server.bytes_of(job_id(1)) == WRITTEN
        assert server.repeats > 0


async def test_an_acknowledgement_that_overtakes_what_is_read_from_disk_stops_nothing(tmp_path: Path) -> None:
    """The server has more than this worker knows: its first answer after a break moves the cursor during a read."""
    size = 6 * 2**20
    spool = {"output_window_bytes": 4 * 2**20, "spool_write_sec": 0.01}
    async with serving(tmp_path, **spool) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        server.acks = False
        await server.assign(job(1, ("head", "-c", str(size), "/dev/zero")))
        await server.until(lambda: len(server.bytes_of(job_id(1))) >= 256 * 1024, "the first window is full")
        files = tmp_path / "worker" / "spool" / "output"
        most = size - 2**20
        await asyncio.to_thread(until, lambda: sum(one.stat().st_size for one in files.iterdir()) >= most, "on disk")
        server.acks = True
        server.cut()
        await server.results(1)
        assert server.bytes_of(job_id(1)) == bytes(size)


async def test_lost_acknowledgements_make_nothing_twice(tmp_path: Path) -> None:
    """The server stored everything, and died before it could say so."""
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        usual, server.acks = server.say, False
        server.say = lambda op, item: (server.take(item), None)[1] if op == "done" else usual(op, item)
        await server.assign(writer(1))
        (first,) = await server.results(1)
        server.say, server.acks = usual, True
        server.cut()
        await server.until(lambda: len(server.of("done")) > 1, "the result is said again")
        again = server.of("done")[-1]
        assert (again.exit_code, again.output) == (first.exit_code, first.output)
        assert server.bytes_of(job_id(1)) == WRITTEN
        await server.until(lambda: server.of("heartbeat")[-1].jobs == (), "it is forgotten when that is answered")


async def test_missing_output_is_sent_again_when_the_server_asks(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        usual = server.say

        def forgets(op: str, item: Any) -> Any:
            if op == "done" and len(server.of("done")) == 1:
                server.acks = True
                server.stored.clear()
                return told(item, "resend", stdout=0, stderr=0)
            return usual(op, item)

        server.say, server.acks = forgets, False
        await server.assign(writer(1))
        await server.results(2)
        assert server.bytes_of(job_id(1)) == WRITTEN


async def test_the_first_list_after_a_break_names_all_that_is_held(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with serving(tmp_path, slots=1) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        wait = f"until [ -e {gate} ]; do sleep 0.01; done"
        await server.assign(job(1, wait), job(2, wait), job(3, wait))
        await server.until(lambda: len(server.of("heartbeat")[-1].jobs) == 3, "all are held")
        before = len(server.said)
        server.cut()
        await server.until(lambda: "heartbeat" in [op for op, _ in server.said[before:]], "it is there again")
        op, beat = [pair for pair in server.said[before:] if pair[0] != "output"][1]
        assert op == "heartbeat", "right after register"
        assert {one.job_id for one in beat.jobs} == {job_id(n) for n in (1, 2, 3)}
        gate.touch()
        await server.results(3)


async def test_what_could_not_be_done_now_is_said_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        usual = server.say

        def busy(op: str, item: Any) -> Any:
            if op in ("start", "done") and len(server.of(op)) < 3:
                return told(item, "again") if len(server.of(op)) == 1 else Failure("store_away", "Not now.")
            return usual(op, item)

        server.say = busy
        await server.assign(job(1, "echo once"))
        await server.until(lambda: len(server.of("done")) == 3, "the third time it is taken")
        assert len(server.of("start")) == 3
        assert server.bytes_of(job_id(1)) == b"once\n"


async def test_what_is_refused_for_good_is_forgotten(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        usual = server.say
        server.say = lambda op, item: Failure("stale_attempt", "No.") if op == "done" else usual(op, item)
        await server.assign(job(1, "echo x"))
        await server.results(1)
        beats = len(server.of("heartbeat"))
        await server.until(lambda: len(server.of("heartbeat")) > beats + 1, "it goes on")
        assert server.of("heartbeat")[-1].jobs == ()
        assert len(server.of("done")) == 1


async def test_a_result_waits_for_a_server_that_is_away_also_in_the_next_process(tmp_path: Path) -> None:
    async with serving(tmp_path, deliver_sec=0.0, drain_sec=20.0) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        ended = tmp_path / "ended"
        await server.assign(job(1, f"sleep 0.3; echo late; seq 5000; touch {ended}"))
        await server.until(lambda: server.of("start"), "it is asked for")
        await server.until(lambda: server.of("heartbeat")[-1].jobs, "it is held")
        server.refuse = 503
        server.cut()
        assert await worker.end() == 0
        assert ended.exists(), "a drain lets running jobs end"
        assert server.of("done") == []
        server.refuse = None
        before = len(server.of("heartbeat"))
        second = RunningWorker(server, tmp_path)
        (done,) = await server.results(1)
        assert [one.job_id for one in server.of("heartbeat")[before].jobs] == [job_id(1)], "it is held until then"
        assert done.exit_code == 0
        assert server.bytes_of(job_id(1)) == b"late\n" + b"".join(b"%d\n" % n for n in range(1, 5001))
        await server.until(lambda: server.of("heartbeat")[-1].jobs == (), "it is forgotten")
        await second.end()
        before = len(server.of("heartbeat"))
        third = RunningWorker(server, tmp_path)
        await server.until(lambda: len(server.of("heartbeat")) > before + 1, "the third is there")
        assert server.of("heartbeat")[before].jobs == ()
        assert len(server.of("done")) == 1
        await third.end()


async def test_replaced_it_ends_and_says_so_and_leaves_nothing_running(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        pidfile = tmp_path / "pid"
        await server.assign(job(1, f"echo $$ > {pidfile}.new; mv {pidfile}.new {pidfile}; exec sleep 60"))
        await asyncio.to_thread(until, pidfile.exists, "it runs")
        assert server.ws is not None
        await server.ws.close(code=Close.REPLACED, message=b"Another process.")
        with pytest.raises(CmdexecError, match="has taken its place") as raised:
            await asyncio.wait_for(worker.task, 10)
        assert raised.value.code == "replaced"
        assert not Path(f"/proc/{pidfile.read_text().strip()}").exists()


async def test_a_server_that_refuses_it_is_not_hammered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    async with serving(tmp_path, reconnect_max_sec=0.2) as (server, _):
        server.refuse = 401
        await server.until(lambda: server.connections >= 1, "it tries")
        start = loop.time()
        await server.until(lambda: server.connections >= 2, "it tries again")
        server.refuse = 403
        await server.until(lambda: server.connections >= 3, "it goes on trying")
        assert loop.time() - start > 2 * 0.1 * 0.9, "at least half of the longest wait lies between two tries"
        said = [record for record in caplog.records if "refuses this worker" in record.message]
        assert said
        server.refuse = None
        await server.until(lambda: server.of("heartbeat"), "it connects as soon as it may")


async def test_each_refusal_is_told_and_the_pauses_between_them_grow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, reconnect_max_sec=0.05, refused_max_sec=0.2) as (server, _):
        server.refuse = 401

        def told() -> list[dict[str, Any]]:
            return [vars(one)["about"] for one in caplog.records if "refuses this worker" in one.getMessage()]

        await becomes(lambda: len(told()) >= 5, "it is refused five times")
        assert all("has to be of this server" in about["error"] for about in told()), "and what to do about it"
        waits = [about["wait_sec"] for about in told()]
        assert waits[0] <= 0.05 < waits[2], waits
        assert min(waits[2:]) >= 0.1
        assert max(waits) <= 0.2
        server.refuse = None
        await server.until(lambda: server.of("heartbeat"), "it connects when it may")


async def test_while_it_holds_jobs_it_is_back_within_a_quarter_of_the_lease(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with serving(tmp_path, reconnect_min_sec=60.0, reconnect_max_sec=60.0) as (server, _):
        server.lease_sec = 2.0
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        await server.assign(job(1, f"until [ -e {gate} ]; do sleep 0.01; done"))
        await server.until(lambda: server.of("start"), "it is asked for")
        for _ in range(4):
            connections = server.connections
            server.cut()
            await server.until(
                lambda connections=connections: server.connections > connections, "it is back", within=1.0
            )
            await server.until(lambda: server.ws is not None and not server.ws.closed, "the socket is open")
        gate.touch()
        await server.results(1)


async def test_a_socket_on_which_nothing_comes_back_is_given_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        server.lease_sec, server.heartbeat_sec = 0.5, 0.1
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        server.say = lambda _op, _item: None
        await server.until(lambda: server.connections > 1, "it tries another one", within=5)
        server.say = server.usual


async def test_draining_lets_run_what_runs_and_gives_back_what_waits(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with serving(tmp_path, slots=1) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        await server.assign(job(1, f"until [ -e {gate} ]; do sleep 0.01; done"), job(2, "true"))
        await server.until(lambda: len(server.of("heartbeat")[-1].jobs) == 2, "both are held")
        worker.stop.set()
        (released,) = await server.until(lambda: server.of("released"), "one is given back")
        assert (released.job_id, released.why) == (job_id(2), "handedBack")
        await server.assign(job(3, "true"))
        await server.until(lambda: len(server.of("released")) == 2, "what comes now is given back, too")
        await server.until(lambda: server.of("heartbeat")[-1].draining, "it says that it drains")
        assert not worker.task.done()
        gate.touch()
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert [one.exit_code for one in server.of("done")] == [0]


async def test_many_results_at_once_fit_the_smallest_frames(tmp_path: Path) -> None:
    """None is answered at first; after a break all are said again together, in as many frames as they need."""
    async with serving(tmp_path, slots=20, max_frame_bytes=64 * 1024, socket_queue_bytes=2**20) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        server.acks = False  # so that all of the output rides in the results
        server.say = lambda op, item: None if op == "done" else server.usual(op, item)
        await server.assign(*(job(n, "head -c 4096 /dev/zero") for n in range(40)))
        await server.until(lambda: len(server.of("done")) == 40, "all have ended")
        server.say = server.usual
        server.cut()
        await server.until(lambda: len(server.of("done")) == 80, "all are said again")
        assert all(server.bytes_of(job_id(n)) == bytes(4096) for n in range(40))
        assert server.connections == 2
