"""What a worker finds of its containers when it starts again: ended meanwhile, over their time, cut off, or removed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.containers import QUICK, contained, containers_of, docker, worker_of
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Api, Worker]]:
    """A worker that keeps 64 KiB to 128 KiB of what a container wrote."""
    server = Server(tmp_path, **QUICK).start()
    worker = worker_of(server, CONTAINER_LOG_BYTES="65536")
    with ends(server, worker):
        api = server.api()
        yield api, worker.start(api)
        until(lambda: not containers_of(worker), "no container is left")
        assert worker.stop() == 0


def dies_while(both: tuple[Api, Worker], command: str, meanwhile: Callable[[str], object], **job: object) -> str:
    """The job is up, and the worker knows that this is stored, when it is killed; `meanwhile` is called with the job's
    container while there is no worker."""
    api, worker = both
    job_id = str(api.create(contained(command, **job))["jobId"])
    until(lambda: b"up" in api.output(job_id), "it runs")
    until(lambda: b"up" in noted(worker, job_id), "the worker has noted that this is stored")
    worker.kill9()
    meanwhile(f"cmdexec-{job_id}.1")
    worker.start()
    return job_id


def noted(worker: Worker, job_id: str) -> bytes:
    """The last of the job's output that the worker knows to be stored."""
    return b"".join(mark.read_bytes() for mark in worker.data.rglob(f"*{job_id}*.mark"))


def is_over(name: str) -> None:
    until(lambda: docker("inspect", "--format", "{{.State.Running}}", name).strip() == "false", "it is over")


def test_one_that_ended_meanwhile_has_its_own_end(both: tuple[Api, Worker]) -> None:
    """It is not over its time because nobody looked for longer than that."""
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 1; echo late >&2; exit 7", is_over, timeoutSec=1.5)
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["reason"], job["exitCode"]) == ("failed", "exit", 7)
    assert (api.output(job_id), api.output(job_id, "stderr")) == (b"up\n", b"late\n")
    assert job["output"]["stdout"]["whole"] is True


def test_one_that_is_over_its_time_is_ended_when_it_is_found(both: tuple[Api, Worker]) -> None:
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 60", lambda _name: None, timeoutSec=2, killGraceSec=0)
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["reason"]) == ("failed", "timeout")


def test_one_that_is_cancelled_while_there_is_no_worker_ends_when_it_is_found(both: tuple[Api, Worker]) -> None:
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 60", lambda name: api.cancel(name[8:-2]), killGraceSec=0)
    job = api.wait_status(job_id, "cancelled")
    assert job["attempts"][-1]["attempt"] == 1


def test_one_that_somebody_removed_is_told_as_dead(both: tuple[Api, Worker]) -> None:
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 60", lambda name: docker("rm", "--force", name))
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["reason"]) == ("failed", "worker")
    assert api.output(job_id) == b"up\n", "what had come stays"


def test_one_with_an_input_is_ended_since_nobody_knows_how_much_of_it_came(both: tuple[Api, Worker]) -> None:
    api, _ = both
    job_id = dies_while(both, "cat; sleep 60", lambda _name: None, stdin="dXA=")
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["reason"]) == ("failed", "worker")


def test_what_the_engine_cut_off_is_told_as_lost(both: tuple[Api, Worker]) -> None:
    """More was written while there was no worker than the engine keeps: how much is missing nobody can say, but where,
    and what came after it is there."""
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 1; seq 100000; exit 0", is_over)
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["exitCode"]) == ("completed", 0)
    told = job["output"]["stdout"]
    assert (told["whole"], told["lost"]) == (False, [[3, 4]])
    first, *rest = api.output(job_id).decode().splitlines()
    assert first == "up"
    assert rest == [str(number) for number in range(100_001 - len(rest), 100_001)], "the newest of it, in order"
    assert len(rest) > 1000


def lines(sizes: tuple[int, ...]) -> tuple[str, bytes]:
    """A command that writes lines of these lengths, and those."""
    command = f"for n in {' '.join(map(str, sizes))}; do head -c $n /dev/zero | tr '\\0' x; echo; done"
    return command, b"".join(b"x" * size + b"\n" for size in sizes)


@pytest.mark.parametrize("sizes", [(16384, 16385, 16383), (16384, 32768, 0)], ids=["one and one more", "many"])
def test_lines_as_long_as_the_engines_records_come_whole(both: tuple[Api, Worker], sizes: tuple[int, ...]) -> None:
    """Engines keep no end of a line of 16 KiB or more: it is put back to the byte, before and after the kill."""
    api, _ = both
    command, written = lines(sizes)
    ids = [
        dies_while(both, f"{command}; echo up; sleep 1; echo on", is_over),
        dies_while(both, f"echo up; sleep 1; {command}; echo on", is_over),
    ]
    jobs = api.wait_ended(ids)
    assert [api.output(job_id) for job_id in ids] == [written + b"up\non\n", b"up\n" + written + b"on\n"]
    assert [job["output"]["stdout"]["whole"] for job in jobs] == [True, True], "the server has compared the digests"


def test_what_was_taken_before_need_not_be_in_the_log_any_more(both: tuple[Api, Worker]) -> None:
    """Many times what the engine keeps was written and acknowledged: the end of it says where the log goes on."""
    api, _ = both
    first = b"".join(b"%d\n" % number for number in range(1, 40_001))
    command = "seq 40000; echo oh >&2; echo up; sleep 1; echo after; sleep 2; echo still"
    job_id = dies_while(both, command, lambda _name: None)
    job = api.wait_ended([job_id])[0]
    assert api.output(job_id) == first + b"up\nafter\nstill\n"
    assert api.output(job_id, "stderr") == b"oh\n"
    assert [job["output"][stream]["whole"] for stream in ("stdout", "stderr")] == [True, True]


def test_a_last_line_of_which_nobody_knows_whether_it_ended_is_not_called_whole(both: tuple[Api, Worker]) -> None:
    """A long line that is the last: an engine's log is the same with an end of it and without."""
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 1; head -c 20000 /dev/zero; echo", is_over)
    job = api.wait_ended([job_id])[0]
    assert (job["status"], api.output(job_id)[:20_003]) == ("completed", b"up\n" + bytes(20_000))
    assert job["output"]["stdout"]["whole"] is False
