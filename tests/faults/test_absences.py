"""A worker that was away says why, its server shows it, and so does the job that had trouble by that.

What happens to it is real where a test can do that: kill -9, an ordinary stop, SIGSTOP, a link that is cut, the
kernel's OOM killer. A machine that slept, or was started anew, or has a full disk, is faked in the file of the black
box, as if that had been written then; counters of the kernel are, where the worker reads them.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cmdexec.model.absence import SENTENCES, Kind, Vitals
from cmdexec.worker.own_group import own_folder
from tests.support import blackbox
from tests.support.api import Api
from tests.support.blackbox import recorded, rewrite
from tests.support.proc import children, said_of
from tests.support.proxy import proxying
from tests.support.system import FAST, Process, Server, Worker, ends, workers
from tests.support.waiting import until

SETTINGS = FAST | {"BLACK_BOX_SEC": "100ms", "ABSENCE_SEC": "1500ms"}
SLEEP = {"command": "exec sleep 60"}

Change = Callable[[Vitals], Vitals]


def newest_of(api: Api, name: str) -> dict[str, Any]:
    """The worker's newest absence."""
    (worker,) = [one for one in workers(api) if one["name"] == name]
    return worker["absences"][-1] if worker["absences"] else {"cause": None}


def must_say(api: Api, name: str, cause: str) -> dict[str, Any]:
    """The worker's newest absence, which must have that cause."""
    newest = newest_of(api, name)
    assert (newest["cause"], newest["why"]) == (cause, SENTENCES[cause]), newest
    assert newest["since"] <= newest["until"]
    return newest


def _heard_for_ms(worker: Worker) -> int:
    """From the worker's newest connection until the server was heard last, as its black box has it."""
    found = recorded(worker.data)
    return found[-1].heard - max(one.heard for one in found if one.kind is Kind.CONNECTED)


def killed(worker: Worker, jobs: int = 0) -> None:
    """kill -9, once its black box has that it was connected, and so many jobs have a process: what was granted, and not
    yet begun, nobody would miss."""
    until(lambda: any(one.kind is Kind.CONNECTED for one in recorded(worker.data)), "its black box has the connection")
    until(lambda: sum(said_of(pid).startswith(b"sleep") for pid in children(worker.pid)) >= jobs, "its jobs have begun")
    worker.kill9()


def story(job: dict[str, Any]) -> str:
    """All notes of a job's history."""
    return "\n".join(f"{line['event']}: {line['note']}" for line in job["history"] if line["note"])


def test_what_a_kill_leaves_in_the_black_box_says_why_the_worker_was_away(tmp_path: Path) -> None:
    """kill -9 leaves no trace, so it is not known why, unless what was recorded last says otherwise."""
    cases: tuple[tuple[str, Change | None], ...] = (
        ("not_known", None),
        ("restarted", blackbox.of_another_boot),
        ("slept", blackbox.before_an_hour_of_sleep),
        ("disk_full", blackbox.on_a_full_disk),
    )
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **SETTINGS)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        for cause, change in cases:
            job_id = api.create(SLEEP)["jobId"]
            api.wait_status(job_id, "running")
            killed(worker, 1)
            if change is not None:
                rewrite(worker.data, change)
            worker.start(api)
            job = api.wait_status(job_id, "failed")
            newest = must_say(api, "w", cause)
            assert job["reason"] == "worker"
            said = f"worker w was away {newest['since'][:16].replace('T', ' ')}"
            assert said in job["message"], job["message"]
            assert job["message"].endswith(f" UTC: {SENTENCES[cause]}"), job["message"]
            assert said in story(job)
        assert len(workers(api)[0]["absences"]) == len(cases), "each was told once"
        assert worker.stop() == 0


def test_a_job_that_was_given_up_before_its_killed_worker_came_back_says_so_as_well(tmp_path: Path) -> None:
    """Whether it waits for another attempt, or runs in one: of the attempt that was lost it is noted."""
    server = Server(tmp_path, **FAST).start()
    worker, other = Worker(server, "w", **SETTINGS), Worker(server, "other", **SETTINGS)
    with ends(server, worker, other):
        api = server.api()
        worker.start(api)
        again = SLEEP | {"onLost": "requeue", "backoff": {"firstSec": 0}}
        mine = {"requires": {"only": "w"}}
        api.ask("PATCH", f"/api/workers/{workers(api)[0]['workerId']}", {"labels": {"only": "w", "either": "1"}})
        held, either = api.create_many([SLEEP | mine, again | {"requires": {"either": "1"}}])
        for job_id in (held, either):
            api.wait_status(job_id, "running")
        killed(worker, 2)
        other.environment["LABELS"] = "either=1"
        other.start(api)
        api.wait_status(held, "unknown")
        until(lambda: api.job(either)["run"] == 2, "it runs elsewhere")
        worker.start(api)
        said = f"UTC: {SENTENCES['not_known']}"
        assert said in story(api.wait_status(held, "failed"))
        noted = "superseded: resume: still held; worker w was away"
        until(lambda: noted in story(api.job(either)), f"the other says so too: {api.job(either)['history']}", 3)
        assert said in story(api.job(either))
        api.cancel(either)


def test_an_ordinary_stop_is_named_when_it_was_long_and_not_when_it_was_short(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **SETTINGS | {"ABSENCE_SEC": "100s"})
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        assert worker.stop() == 0
        assert recorded(worker.data)[-1].kind is Kind.STOPPED
        worker.start(api)
        assert newest_of(api, "w")["cause"] is None
        assert worker.stop() == 0
        rewrite(worker.data, blackbox.an_hour_earlier)
        worker.start(api)
        must_say(api, "w", "stopped")
        assert worker.stop() == 0


def test_a_link_that_was_cut_is_named_while_the_worker_lived_on(tmp_path: Path) -> None:
    """What was held says so when it is known again; what was given up, too."""
    server = Server(tmp_path, **FAST).start()
    with proxying(server.port) as proxy:
        worker = Worker(server, "w", **SETTINGS)
        worker.arguments[worker.arguments.index("--server") + 1] = proxy.url
        with ends(server, worker):
            api = server.api()
            worker.start(api)
            held, given_up = api.create_many([SLEEP, SLEEP | {"onLost": "requeue"}])
            for job_id in (held, given_up):
                api.wait_status(job_id, "running")
            proxy.part()
            api.wait_status(held, "unknown")
            api.wait_status(given_up, "scheduled", "queued")
            proxy.mend()
            job = api.wait_status(held, "running")
            must_say(api, "w", "network")
            said = f"UTC: {SENTENCES['network']}"
            assert any(line["event"] == "resume" and said in str(line["note"]) for line in job["history"]), story(job)
            until(lambda: said in story(api.job(given_up)), "the job that was given up says so as well")
            newest = newest_of(api, "w")
            until(lambda: _heard_for_ms(worker) > 1500, "the server has been heard for as long as an absence lasts")
            proxy.cut()
            worker.wait_online(api)
            api.wait_status(held, "running")
            assert newest_of(api, "w") == newest, "a short break is no absence"
            for job_id in (held, given_up):
                api.cancel(job_id)
            assert worker.stop() == 0


def test_a_process_that_stood_still_is_told_from_one_that_was_cut_off(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **SETTINGS)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        job_id = api.create(SLEEP)["jobId"]
        api.wait_status(job_id, "running")
        worker.send(signal.SIGSTOP)
        api.wait_status(job_id, "unknown")
        worker.send(signal.SIGCONT)
        api.wait_status(job_id, "running")
        until(lambda: newest_of(api, "w")["cause"], "it says where it was")
        must_say(api, "w", "stalled")
        api.cancel(job_id)
        assert worker.stop() == 0


@pytest.mark.parametrize("of", ["its own group", "the machine"])
def test_what_the_kernel_counts_tells_a_kill_for_memory_from_another(tmp_path: Path, of: str) -> None:
    """The counter is a file of the test's, mounted over the kernel's. Of the machine's it is said what it is worth."""
    if not blackbox.can_mount():
        pytest.skip("NO MOUNTS CAN BE MADE HERE: what is made of the kernel's counters stays untested")
    counter = Path("/proc/vmstat") if of == "the machine" else _counter_of_own_group()
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **SETTINGS)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        killed(worker)
        if of == "the machine":
            rewrite(worker.data, blackbox.of_another_group)
        worker.arguments = blackbox.with_one_more_kill(worker, counter, tmp_path)
        worker.start(api)
        must_say(api, "w", "oom_perhaps" if of == "the machine" else "oom")
        assert worker.stop() == 0


def _counter_of_own_group() -> Path:
    for controller, file in (("", "memory.events.local"), ("memory", "memory.oom_control")):
        folder = own_folder(controller)
        if folder is not None and (Path(folder) / file).exists():
            return Path(folder) / file
    pytest.skip("NO CGROUP HERE COUNTS WHAT WAS KILLED OF IT")


# The kernel's OOM killer --------------------------------------------------------------------------------------------

LIMIT_BYTES = 256 << 20
_IN_GROUP = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
_HOG = f"""
kept = []
while True:
    kept.append(bytearray(b'x' * (1 << 20)))
    if len(kept) > {LIMIT_BYTES >> 20} * 2:
        raise SystemExit
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A cgroup that may use LIMIT_BYTES of memory; skips where none can be made."""
    for controller, limit in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        around = own_folder(controller)
        if around is None:
            continue
        made = Path(around) / f"cmdexec-test-{os.getpid()}"
        try:
            made.mkdir()
        except OSError:
            continue
        try:
            (made / limit).write_text(str(LIMIT_BYTES))
            yield made
            return
        except OSError:
            continue
        finally:
            until(lambda made=made: _removed(made), "the group is empty")
    pytest.skip("NO CGROUP WITH A LIMIT OF MEMORY CAN BE MADE HERE: a real kill by the kernel stays untested")


def _removed(made: Path) -> bool:
    with suppress(OSError):
        for pid in (made / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        made.rmdir()
    return not made.exists()


def test_a_worker_that_the_kernel_killed_for_memory_says_so(tmp_path: Path, group: Path) -> None:
    """For real: another process of its group uses it up, and the kernel's choice is the worker."""
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **SETTINGS, LIMITS="watched")
    hog = Process([], {"PATH": os.environ["PATH"]}, tmp_path / "hog.log")
    hog.arguments = ["sh", "-c", _IN_GROUP, str(group), sys.executable, "-I", "-c", _HOG]
    worker.arguments[:0] = ["sh", "-c", _IN_GROUP, str(group)]
    with ends(server, worker, hog):
        api = server.api()
        worker.start(api)
        job_id = api.create(SLEEP)["jobId"]
        api.wait_status(job_id, "running")
        Path(f"/proc/{worker.pid}/oom_score_adj").write_text("1000")
        hog.spawn()
        assert worker.wait(20) == -signal.SIGKILL
        hog.kill9()
        worker.start(api)
        job = api.wait_status(job_id, "failed")
        must_say(api, "w", "oom")
        assert job["message"].endswith(SENTENCES["oom"])
        assert worker.stop() == 0
