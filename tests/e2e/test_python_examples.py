"""Each example of `docs/python.md` prints what stands below it, and what else the library promises there holds."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, wait
from pathlib import Path

import pytest

import cmdexec
from cmdexec import Client, Connection
from cmdexec.errors import Refused, Unavailable
from tests.support.server import Running, running
from tests.support.system import Worker, ends
from tests.support.waiting import until

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a worker of four slots."""
    with running(tmp_path_factory.mktemp("python")) as run:
        worker = Worker(run.process, "w")
        with ends(worker):
            worker.start(run.api())
            yield run


@pytest.fixture
def connection(served: Running) -> Iterator[Connection]:
    with cmdexec.connect(served.url, served.tokens["operator"]) as connection:
        yield connection


def test_every_example_says_what_it_prints() -> None:
    assert len(EXAMPLES) == PAGE.read_text().count("```python") >= 10


@pytest.mark.parametrize(("example", "printed"), EXAMPLES, ids=[str(number) for number in range(len(EXAMPLES))])
def test_example(served: Running, tmp_path: Path, example: str, printed: str) -> None:
    given = {"SERVER_URL": served.url, "CMDEXEC_TOKEN": served.tokens["operator"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], env=os.environ | given, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == (printed, "", 0)


def test_the_largest_standard_input_comes_whole(connection: Connection) -> None:
    data = os.urandom(256 * 1024)
    assert connection.run("cat", stdin=data).stdout == data


def test_several_threads_share_a_connection(connection: Connection) -> None:
    found: dict[int, str] = {}

    def work(number: int) -> None:
        found[number] = connection.run(["echo", str(number)]).text

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {number: f"{number}\n" for number in range(8)}


def test_a_callback_that_would_wait_for_itself_is_told(connection: Connection) -> None:
    told: list[BaseException] = []
    called = threading.Event()

    def callback(job: Future[cmdexec.Result]) -> None:
        try:
            connection.run("true")
        except RuntimeError as wrong:
            told.append(wrong)
        called.set()

    connection.submit("true").add_done_callback(callback)
    assert called.wait(20)
    assert "let another thread ask" in str(told[0])


def test_a_failure_carries_the_job_and_the_end_of_its_stderr(connection: Connection) -> None:
    with pytest.raises(cmdexec.JobFailed) as told:
        connection.run("seq 3000 >&2; echo out; kill -9 $$", name="the one")
    failed = told.value
    assert (failed.job.reason, failed.job.signal) == ("signal", 9)
    assert failed.stderr == "".join(f"{n}\n" for n in range(1, 3001)).encode()[-4096:]
    assert failed.result is not None
    assert (failed.result.stdout, len(failed.result.stderr), failed.result.exit_code) == (b"out\n", 13893, None)
    assert str(failed).startswith(f"Job {failed.job.job_id} (the one) was ended by signal 9. The end of its stderr:\n")


def test_a_cancelled_job_is_cancelled_as_futures_are(connection: Connection) -> None:
    job = connection.submit("sleep 60")
    until(job.running, "it runs")
    assert not job.cancelled()
    assert job.cancel()
    with pytest.raises(CancelledError):
        job.result(20)
    assert job.cancelled()
    assert job.done()
    assert not job.cancel()


def test_a_timeout_ends_the_waiting_and_not_the_job(connection: Connection) -> None:
    job = connection.submit("sleep 60")
    with pytest.raises(TimeoutError):
        job.result(0.05)
    assert job.status().status in ("queued", "assigned", "running")
    job.cancel()


def test_output_that_is_too_long_for_a_result_is_read_in_pieces(served: Running) -> None:
    with cmdexec.connect(served.url, served.tokens["operator"], result_max_bytes="1KiB") as connection:
        job = connection.submit("head -c 5000 /dev/zero")
        with pytest.raises(Refused, match="Read it piece by piece") as told:
            job.result(20)
        assert told.value.code == "too_large"
        assert b"".join(job.output()) == bytes(5000)
        with pytest.raises(cmdexec.JobFailed) as failed:
            connection.run("head -c 5000 /dev/zero >&2; exit 1", check=False)
        assert (failed.value.stderr, failed.value.result) == (bytes(4096), None)


def test_following_may_be_left_early(connection: Connection) -> None:
    job = connection.submit("while :; do echo y; done")
    for event in job.follow():
        if isinstance(event, cmdexec.Piece):
            break
    job.cancel()
    with pytest.raises(cmdexec.JobCancelled):
        job.result(20)


INTERRUPTED = """
import sys
import cmdexec
with cmdexec.connect() as c:
    try:
        c.run(f"touch {sys.argv[1]}; exec sleep 60", name="interrupted")
    except KeyboardInterrupt:
        (row,) = [row for row in c.jobs() if row.name == "interrupted"]
        print(c.job(row.job_id).exception(20).job.status)
"""


def test_ctrl_c_while_a_command_runs_ends_its_job(served: Running, tmp_path: Path) -> None:
    given = {"SERVER_URL": served.url, "CMDEXEC_TOKEN": served.tokens["operator"], "HOME": str(tmp_path)}
    program = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "begun")], env=os.environ | given, stdout=subprocess.PIPE
    )
    with program:
        until((tmp_path / "begun").exists, "its job runs")
        program.send_signal(signal.SIGINT)
        assert program.communicate(timeout=30) == (b"cancelled\n", None)
        assert program.returncode == 0


def test_what_a_template_has_no_place_for_is_told(connection: Connection) -> None:
    with pytest.raises(ValueError, match=r"write \{\} into it"):
        connection.map("echo", ["x"])
    with pytest.raises(TypeError, match="items is a single str"):
        connection.map("echo {}", "x")


def test_closing_ends_what_waits_and_no_job(served: Running) -> None:
    connection = cmdexec.connect(served.url, served.tokens["operator"])
    job = connection.submit("sleep 60")
    connection.close()
    connection.close()
    assert not wait([job], 10).not_done
    with pytest.raises(RuntimeError, match="closed"):
        job.result(0)
    with pytest.raises(RuntimeError, match="closed"):
        connection.run("true")
    assert served.api().call("GET", f"/api/jobs/status?jobId={job.id}")[0] == 200
    with cmdexec.connect(served.url, served.tokens["operator"]) as another:
        assert another.job(job.id).cancel()
    assert "cmdexec-client" not in {thread.name for thread in threading.enumerate()}


def test_no_server_is_one_error(unused_tcp_port: int) -> None:
    with (
        cmdexec.connect(f"http://127.0.0.1:{unused_tcp_port}", "a-token-of-nobody-at-all") as connection,
        pytest.raises(Unavailable) as told,
    ):
        connection.run("true")
    assert told.value.code == "server_away"


def test_a_call_is_any_of_the_client(connection: Connection) -> None:
    job = connection.submit("true")
    job.result(20)
    again = connection.call(Client.rerun, job.id)
    assert (again.rerun_of, connection.job(again.job_id).result(20).exit_code) == (job.id, 0)
