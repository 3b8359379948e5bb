"""An engine that is there but does not answer in time: nothing of a job is left by that, and other jobs go on."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cmdexec.runtime import ThreadPool
from cmdexec.worker.capacity import Capacity
from cmdexec.worker.executors.container_shape import Labels
from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.containers import ContainerExecutor
from cmdexec.worker.executors.contract import Container, End, Order, Stream
from tests.support.api import Api
from tests.support.containers import DOCKER, IMAGE, QUICK, contained, containers_of, docker, worker_of
from tests.support.slow_engine import SlowEngine, slow_engine
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until
from tests.support.worker import inline_runtime, worker_settings


@pytest.fixture(scope="module")
def engine() -> Iterator[SlowEngine]:
    """An engine that answers until it is told otherwise."""
    with slow_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory, engine: SlowEngine) -> Iterator[tuple[Api, Worker]]:
    """A worker that waits no longer than a second for that engine."""
    server = Server(tmp_path_factory.mktemp("slow"), **QUICK).start()
    worker = worker_of(server, DOCKER_HOST=engine.host, ENGINE_CALL_SEC="1s", START_PAUSE_SEC="1s")
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        yield api, worker
        assert worker.stop() == 0
        assert server.stop() == 0


def notes(api: Api, job_id: str) -> list[str]:
    """Why it was given back."""
    return [str(step["note"]) for step in api.job(job_id)["history"] if step["event"] == "never_spawned"]


def test_a_container_that_is_made_after_it_was_given_up_is_removed(
    workers: tuple[Api, Worker], engine: SlowEngine
) -> None:  # fmt: skip
    api, worker = workers
    engine.hold("containers/create")
    job_id = api.create(contained("echo late"))["jobId"]
    words = "the container engine did not answer a call within 1 s (ENGINE_CALL_SEC)"
    until(lambda: notes(api, job_id), "it is given back")
    assert notes(api, job_id)[0] == words
    host = api.create({"command": "echo on the machine"})["jobId"]
    assert api.wait_ended([host], within=10)[0]["status"] == "completed"
    engine.answered.clear()
    engine.go_on("containers/create")
    until(lambda: any(call.startswith("containers/create") for call in engine.answered), "now the engine makes it")
    assert api.wait_status(job_id, "completed", within=30)["attempts"][-1]["proof"] == {"left": 0, "survivors": []}
    until(lambda: not containers_of(worker), "none is left")
    log = worker.log.read_text()
    assert "no job in one is started for a while" in log
    assert "UnixHTTPConnectionPool" not in log


def test_one_whose_connection_breaks_is_removed_and_the_job_runs_in_another(
    workers: tuple[Api, Worker], engine: SlowEngine
) -> None:  # fmt: skip
    api, worker = workers
    engine.cut("containers/create")
    job_id = api.create(contained("echo again"))["jobId"]
    until(lambda: notes(api, job_id), "it is given back")
    assert "no container engine answers here now" in notes(api, job_id)[0]
    engine.cut("containers/create", broken=False)
    api.wait_status(job_id, "completed", within=30)
    until(lambda: not containers_of(worker), "none is left")


def test_one_whose_disk_is_full_fails_no_job(workers: tuple[Api, Worker], engine: SlowEngine) -> None:
    api, worker = workers
    engine.refuse("containers/create", "write /var/lib/docker/x: no space left on device")
    job_id = api.create(contained("echo there is room"))["jobId"]
    until(lambda: notes(api, job_id), "it is given back")
    assert notes(api, job_id)[0] == (
        "the container engine has no room for it: write /var/lib/docker/x: no space left on device"
    )
    host = api.create({"command": "echo on the machine"})["jobId"]
    assert api.wait_ended([host], within=10)[0]["status"] == "completed"
    until(lambda: len(notes(api, job_id)) > 1, "it is tried again")
    held = [line for line in worker.log.read_text().splitlines() if "no job in one is started" in line]
    assert [line.rpartition("wait_sec=")[2] for line in held[-2:]] == ["1.0", "2.0"], "it is tried ever more seldom"
    engine.refuse("containers/create", None)
    api.wait_status(job_id, "completed", within=30)


class Faulty:
    """A sink that fails when its order has begun; it is also who keeps containers to their leases."""

    def __init__(self) -> None:
        self.ends: asyncio.Queue[End] = asyncio.Queue()

    def told_phase(self, words: str) -> None: ...

    def output(self, stream: Stream, data: bytes) -> None: ...

    def started(self, pid: int) -> None:
        raise KeyError("a fault of ours")

    def ended(self, end: End) -> None:
        self.ends.put_nowait(end)

    def keep_container(self, name: str, url: str) -> bool:
        return True

    def let_container_go(self, name: str) -> None: ...


async def test_a_fault_of_ours_leaves_no_container(tmp_path: Path) -> None:
    settings = worker_settings(tmp_path, docker_host=DOCKER, container_ram_bytes=64 << 20)
    sink = Faulty()
    works = Works(
        settings=settings, runtime=inline_runtime(), threads=ThreadPool(2, "engine"), keeper=sink,
        capacity=Capacity(1.0, 100), labels=Labels("faulty", "faulty", "w", "s"),
    )  # fmt: skip
    executor = ContainerExecutor(works)
    await executor.open()
    running = asyncio.create_task(executor.run())
    order = Order("faulty.1", ("sleep", "600"), {}, "/job", container=Container(IMAGE, pull="never"))
    executor.start([(order, sink)])
    end = await asyncio.wait_for(sink.ends.get(), 20)
    assert (end.executor_lost, end.lost_why, end.left) == (True, "the worker failed at it; its log says why", 0)
    assert not docker("ps", "--all", "--quiet", "--filter", "name=^cmdexec-faulty.1$")
    await executor.close()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
