"""A disk that fills under the server or the worker while jobs come and write: both refuse, say so, and go on.

At full size, each disk twenty times: `CMDEXEC_DISK_FULL=20 python -m pytest tests/faults/test_disk_full.py`.
"""

import json
import os
import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, ApiError
from tests.support.ledger import Ledger
from tests.support.proxy import proxying
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.system import FAST, Process, Server, Worker, ends
from tests.support.waiting import STEP_SEC, until

KIB, MIB = 1 << 10, 1 << 20
PAGE_BYTES = 4096
"""A tmpfs gives room by these."""
STAMPED = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (warning|info) ")
TIMES = 20
LOGS_TIMES = int(os.environ.get("CMDEXEC_DISK_FULL", "3"))
"""How often the disk of the logs fills. What is said of it is no promise; that nothing else suffers is."""
FULL = "the store's disk is full"
NO_START = "the journal cannot be written; no job is started"
DROPPED = "log lines were dropped"
NO_SPOOL = "the spool's folder cannot be changed"
SPOOL_AGAIN = "the spool's folder can be changed again"
MUCH = 250_000
"""Lines: 1.6 MB."""
PACE_SEC = 5 * STEP_SEC
"""Between two lists of jobs, so that what they write fits the disk."""
QUICK = FAST | {"AGAIN_SEC": "50ms", "STORE_LOG_BYTES": "256KiB", "STORE_IDLE_SEC": "100ms", "DISK_RETRY_SEC": "50ms"}


def text(lines: int) -> bytes:
    """What `seq 1 LINES` writes."""
    return b"".join(b"%d\n" % number for number in range(1, lines + 1))


class Submitter:
    """Submits jobs by fours, one list after the other, each until it is acknowledged, in a thread of its own.

    lines     job id → how many lines it writes, of each acknowledged job
    refusals  how often each code was the answer
    """

    def __init__(self, api: Api, ledger: Ledger) -> None:
        self.lines: dict[str, int] = {}
        self.refusals: Counter[str] = Counter()
        self.wrong: list[BaseException] = []
        self._api = api
        self._ledger = ledger
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._submit)

    def _submit(self) -> None:
        try:
            draw = random.Random(1)
            for number in count():
                sizes = [draw.choice((1, 10, 900, 3000)) for _ in range(4)]
                jobs = [self._job(size) for size in sizes]
                while (job_ids := self._acknowledged(jobs, f"list-{number}")) is None:
                    self._end.wait(STEP_SEC)  # also at the end: what may have been stored is made sure of
                self.lines.update(zip(job_ids, sizes, strict=True))
                if self._end.wait(PACE_SEC):
                    return
        except BaseException as wrong:
            self.wrong.append(wrong)

    def _job(self, lines: int) -> dict[str, Any]:
        return {"command": f"{self._ledger.says('begin')}; seq 1 {lines}; {self._ledger.says('end')}"}

    def _acknowledged(self, jobs: list[dict[str, Any]], key: str) -> list[str] | None:
        try:
            return self._api.create_many(jobs, key)
        except ApiError as refused:
            if refused.status not in (503, 507):
                raise
            self.refusals[refused.error["code"]] += 1
            return None

    def gets_on(self) -> Callable[[], bool]:
        """Whether more jobs are acknowledged than now."""
        before = len(self.lines)

        def more() -> bool:
            if self.wrong:
                raise self.wrong[0]
            return len(self.lines) > before

        return more

    def is_refused(self, *, twice: str) -> Callable[[], bool]:
        """Whether this code came twice since now: the second refusal is of what was submitted after the first."""
        before = self.refusals[twice]
        return lambda: self.refusals[twice] > before + 1

    @contextmanager
    def at_work(self, disk: SmallDisk) -> Iterator[None]:
        """Submit while the block runs. After it there is room, so that the last list is acknowledged too."""
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            disk.free()
            self._thread.join(60)
        assert not self._thread.is_alive()
        assert self.wrong == []


def health(api: Api) -> tuple[str, str, str]:
    """(status, the check of the store, the check of the disk)."""
    told = api.ask("GET", "/api/health")
    return told["status"], told["checks"]["store"], told["checks"]["disk"]


def runs_more(ledger: Ledger) -> Callable[[], bool]:
    """Whether more jobs have begun than now."""
    before = len(ledger.count("begin"))
    return lambda: len(ledger.count("begin")) > before


def says(process: Process, sentence: str) -> int:
    """How often its log says that."""
    return process.log.read_text().count(sentence)


def says_again(process: Process, sentence: str) -> Callable[[], bool]:
    """Whether its log says that once more than now."""
    before = says(process, sentence)
    return lambda: says(process, sentence) > before


def while_filling(disk: SmallDisk, fact: Callable[[], bool]) -> Callable[[], bool]:
    """The fact, with all room taken that was given back meanwhile."""

    def filled() -> bool:
        disk.fill()
        return fact()

    return filled


def writes_much(
    api: Api, server: Server, worker: Worker, ledger: Ledger, disk: SmallDisk, gate: Path
) -> dict[str, int]:  # fmt: skip
    """A job writes much while the server is frozen and the worker's disk full, until that has room again."""
    waits = f"until [ -e {gate} ]; do sleep 0.02; done"
    job = {"command": f"{ledger.says('begin')}; {waits}; seq 1 {MUCH}; {ledger.says('end')}"}
    (job_id,) = api.create_many([job])
    until(lambda: ledger.count("begin")[job_id], "it runs")
    until(lambda: says(worker, NO_SPOOL) == says(worker, SPOOL_AGAIN), "it says that it can keep output")
    said = says_again(worker, NO_SPOOL)
    server.send(signal.SIGSTOP)
    gate.touch()
    until(while_filling(disk, said), "the worker says that it cannot keep the output")
    assert job_id in ledger.unended(), "it waits"
    disk.free()
    until(lambda: job_id not in ledger.unended(), "it goes on by itself, on to the disk")
    server.send(signal.SIGCONT)
    return {job_id: MUCH}


def all_is_there_once(api: Api, ledger: Ledger, lines: dict[str, int]) -> None:
    """Each acknowledged job ran once and ended well, and all it wrote is stored; no other job ever ran."""
    jobs = api.wait_ended(list(lines), within=30)
    assert Counter(job["status"] for job in jobs) == {"completed": len(lines)}
    assert all(job["output"][stream]["whole"] for job in jobs for stream in ("stdout", "stderr"))
    assert ledger.count("begin") == ledger.count("end") == Counter(list(lines))
    for job_id, size in lines.items():
        assert api.output(job_id) == text(size)


def test_what_finds_no_room_is_not_acknowledged(tmp_path: Path) -> None:
    """Of lists that come while the disk fills each is either acknowledged and there, or refused and not (promise 1)."""
    with small_disk(tmp_path / "server", 4 * MIB) as disk:
        server = Server(tmp_path, **QUICK).start()
        with ends(server):
            api, answers, job_ids = server.api(), Counter[int](), list[str]()
            for number in range(30):
                disk.fill(leave=number % 10 * 16 * KIB)
                key = {"Idempotency-Key": f"list-{number}"}
                status, _, body = api.call("POST", "/api/jobs/create", [{"command": "true"}] * 20, key)
                disk.free()
                answers[status] += 1
                job_ids += [job["jobId"] for job in json.loads(body).get("jobs", ())]
            assert set(answers) == {200, 507}, answers
            assert len(job_ids) == answers[200] * 20
            assert {job["status"] for job in api.jobs(job_ids)} == {"queued"}


@pytest.mark.timeout(90)
def test_a_server_whose_disk_fills_refuses_and_goes_on_by_itself(tmp_path: Path) -> None:
    """Twenty times under load, each time with other room left, so that it ends at other places of commits, of the log
    and of moving the log into the file (promises 1, 4, 5 and 8)."""
    with small_disk(tmp_path / "server", 12 * MIB) as disk:
        server = Server(tmp_path, **QUICK).start()
        worker = Worker(server, "w", **QUICK)
        with ends(server, worker):
            api, ledger, draw = server.api(), Ledger(tmp_path / "ledger"), random.Random(2)
            worker.start(api)
            submitter = Submitter(server.api(), ledger)
            with submitter.at_work(disk):
                for turn in range(TIMES):
                    until(submitter.gets_on(), "jobs are acknowledged")
                    refused = submitter.is_refused(twice="disk_full")
                    disk.fill(leave=draw.randrange(0, 64 * KIB) if turn % 2 else 0)
                    until(while_filling(disk, refused), "jobs are refused")
                    disk.free()
                    until(submitter.gets_on(), "it goes on by itself")
            all_is_there_once(api, ledger, submitter.lines)
            assert says(server, FULL) == says(server, "the store writes again") > 0
            assert says(server, "  | ") == 0, "no traceback"


def test_a_server_below_its_reserve_refuses_jobs_and_takes_results(tmp_path: Path) -> None:
    """What was acknowledged goes on in the reserve, and health names what is wrong (promise 8)."""
    with small_disk(tmp_path / "server", 8 * MIB) as disk:
        server = Server(tmp_path, **QUICK | {"DISK_RESERVE_BYTES": "2MiB"}).start()
        worker = Worker(server, "w", **QUICK)
        with ends(server, worker):
            api, ledger, gate = server.api(), Ledger(tmp_path / "ledger"), tmp_path / "gate"
            worker.start(api)
            waits = f"until [ -e {gate} ]; do sleep 0.02; done"
            job = {"command": f"{ledger.says('begin')}; {waits}; seq 1 3000; {ledger.says('end')}"}
            (job_id,) = api.create_many([job], key="before")
            until(lambda: ledger.count("begin"), "it runs")
            disk.fill(leave=MIB)
            status, headers, _ = api.call("POST", "/api/jobs/create", job)
            assert (status, headers["retry-after"]) == (507, "1")
            with pytest.raises(ApiError) as refused:
                api.create(job)
            assert (refused.value.error["code"], bool(refused.value.error["mend"])) == ("disk_full", True)
            assert api.create_many([job], key="before") == [job_id], "asked again, what was stored is told"
            until(lambda: health(api) == ("degraded", "ok", "low"), "health says that the disk has little room")
            gate.touch()
            all_is_there_once(api, ledger, {job_id: 3000})
            disk.free()
            api.create(job)
            until(lambda: health(api) == ("healthy", "ok", "ok"), "health says that all is well")


@pytest.mark.timeout(90)
def test_a_worker_whose_disk_fills_holds_on_and_goes_on_by_itself(tmp_path: Path) -> None:
    """Twenty times under load. It starts nothing that it cannot write down, and while a frozen server takes no output
    a job waits that would write more than fits the memory and the disk (promises 3, 4 and 8)."""
    with small_disk(tmp_path / "w", 6 * MIB) as disk:
        server = Server(tmp_path, **QUICK).start()
        worker = Worker(server, "w", OUTPUT_WINDOW_BYTES="256KiB", SPOOL_WRITE_SEC="50ms", **QUICK)
        with ends(server, worker):
            api, ledger = server.api(), Ledger(tmp_path / "ledger")
            worker.start(api)
            submitter = Submitter(server.api(), ledger)
            large: dict[str, int] = {}
            with submitter.at_work(disk):
                for turn in range(TIMES):
                    if turn % 5 == 4:
                        large |= writes_much(api, server, worker, ledger, disk, tmp_path / f"gate-{turn}")
                        continue
                    until(runs_more(ledger), "jobs are started")
                    until(while_filling(disk, says_again(worker, NO_START)), "it says that it starts nothing")
                    disk.free()
                    until(runs_more(ledger), "it goes on by itself")
            all_is_there_once(api, ledger, submitter.lines | large)
            assert says(worker, NO_START) == says(worker, "the journal can be written again")
            assert worker.running()


def fill_up(disk: SmallDisk, *logs: Path, leave: int) -> None:
    """No page more finds room on it, and no more than `leave` bytes in the last pages of these logs."""
    disk.fill()
    for log in logs:
        with log.open("ab", buffering=0) as file:
            room = -file.tell() % PAGE_BYTES - leave
            if room > 0:
                file.write(b"#" * (room - 1) + b"\n")


def lines_of(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if not line.startswith("#")]


@pytest.mark.timeout(90)
def test_lines_that_a_full_disk_does_not_take_are_counted_and_nothing_else_suffers(tmp_path: Path) -> None:
    """The disk is that of the logs alone. Each cut of the worker's connection is worth a line to both. What was written
    of one line before the disk was full stays a line of its own (promise 8)."""
    with small_disk(tmp_path / "logs", MIB) as disk:
        server, draw = Server(tmp_path, **QUICK), random.Random(3)
        server.log = disk.path / "server.log"
        server.start()
        with proxying(server.port) as proxy:
            worker = Worker(server, "w", **QUICK)
            worker.log = disk.path / "worker.log"
            worker.arguments[worker.arguments.index(server.url)] = proxy.url
            logs = server.log, worker.log
            with ends(server, worker):
                api, ledger = server.api(), Ledger(tmp_path / "ledger")
                worker.start(api)
                submitter = Submitter(server.api(), ledger)
                with submitter.at_work(disk):
                    for _ in range(LOGS_TIMES):
                        until(submitter.gets_on(), "jobs are acknowledged")
                        fill_up(disk, *logs, leave=draw.choice((1, 20, 50)))
                        proxy.cut()
                        until(lambda: not any(log.stat().st_size % PAGE_BYTES for log in logs), "no line finds room")
                        until(runs_more(ledger), "jobs run all the same")
                        until(submitter.gets_on(), "jobs are acknowledged all the same")
                        told = [says_again(process, DROPPED) for process in (server, worker)]
                        disk.free()
                        proxy.cut()
                        until(lambda told=told: all(one() for one in told), "both say that lines are missing")
                all_is_there_once(api, ledger, submitter.lines)
                for log in logs:
                    told_of = [line for line in lines_of(log) if DROPPED in line]
                    assert len(told_of) >= LOGS_TIMES
                    assert all(STAMPED.match(line) for line in told_of), told_of
