"""`cmdexec bench` measures what it says: all of it runs, its figures are those of real work; wrong work is no figure.

Nothing is judged here: with `--quick` there is too little of everything for that.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cmdexec.admin.bench import batch
from cmdexec.admin.bench.targets import TARGETS
from cmdexec.client import NewJob, connect_async
from cmdexec.errors import CmdexecError
from tests.support.system import Server, clean_environment, ends


def bench(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cmdexec", "bench", "--dir", str(folder), *arguments], cwd=folder,
        env=clean_environment(), capture_output=True, text=True, timeout=100,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def told(folder: Path) -> dict:
    run = bench(folder, "--quick", "--json", "--slots", "3")
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-4000:]}"
    assert "cmdexec: W9: a far worker" in run.stderr, "progress"
    document: dict = json.loads(run.stdout)
    return document


def test_every_workload_gives_every_figure(told: dict) -> None:
    assert list(told) == list(TARGETS)
    for name, workload in told.items():
        assert set(workload["figures"]) == set(TARGETS[name])
        assert workload.keys() >= {"value", "unit", "floor", "ratio", "must", "aim", "ok", "figures", "about", "pairs"}
        assert workload["ok"] is all(figure["ok"] for figure in workload["figures"].values())
        for figure in workload["figures"].values():
            if figure["floor"] is not None:
                assert figure["floor"] > 0
                assert figure["ratio"] > 0


def test_the_figures_of_short_jobs_are_sane(told: dict) -> None:
    w1 = told["W1"]
    (pair,) = w1["pairs"]
    assert w1["about"] == {"jobs": 40, "slots": 3}
    assert pair["ratio"] == pytest.approx(pair["jobs_per_sec"] / pair["floor_per_sec"])
    assert w1["ratio"] == pytest.approx(w1["value"] / w1["floor"], rel=0.01), "of one pair"
    assert 0 < w1["ratio"] < 3
    assert pair["cpu_ratio"] == pytest.approx((pair["server"] + pair["worker"] + pair["warden"]) / pair["child"])
    assert all(0 <= pair[part] < 50_000 for part in ("server", "worker", "warden", "child")), "µs a job"
    assert 0.5 < told["W2"]["ratio"] < 500, "more than a bare process takes, and none that waits for anything"


def test_output_is_whole_and_comes_while_it_is_written(told: dict) -> None:
    assert told["W3"]["figures"]["lost"]["value"] == 0
    assert 0 < told["W3"]["ratio"] < 1
    assert 0 < told["W3b"]["figures"]["p50"]["value"] <= told["W3b"]["figures"]["p99"]["value"] < 5000


def test_a_far_worker_is_slower_and_a_fleet_is_there(told: dict) -> None:
    assert 0 < told["W9"]["ratio"] < 1, "20 jobs cannot hide 20 ms each way"
    assert told["W5"]["about"]["workers"] == 20
    assert told["W6"]["about"]["stored"] == 2000
    assert 0 < told["W6"]["figures"]["status_p99"]["value"] < 5000


def test_an_idle_server_and_an_idle_worker_are_small(told: dict) -> None:
    figures = told["W7"]["figures"]
    assert 10 < figures["server_idle"]["value"] <= 60, "MB"
    assert 10 < figures["worker_idle"]["value"] <= 45, "MB"


def test_nothing_is_left(told: dict, folder: Path) -> None:
    assert told
    assert list(folder.iterdir()) == []


def test_a_workload_that_is_not_there_is_refused_by_name(folder: Path) -> None:
    run = bench(folder, "--only", "W1,W77")
    assert run.returncode == 2
    assert "'w77'" in run.stderr
    assert "W3b" in run.stderr


def test_a_job_whose_output_is_wrong_is_no_figure(tmp_path: Path) -> None:
    """The check reads what is stored of each job, and fails on the one that wrote something else."""
    server = Server(tmp_path, "--with-worker").start()

    async def checked() -> None:
        async with connect_async(server_url=server.url, token=server.api().token) as client:
            right = await batch.submit(client, 5)
            await client.wait_all(right)
            await batch.check_outputs(client, right)
            wrong = await batch.submit(client, 1, NewJob(command="echo something else"))
            await client.wait_all(wrong)
            with pytest.raises(ExceptionGroup) as raised:
                await batch.check_outputs(client, [*right, *wrong])
            (fault,) = raised.value.exceptions
            assert isinstance(fault, CmdexecError)
            assert fault.code == "bench_failed"
            assert wrong[0] in fault.message
            assert "something else" in fault.message
            failing = await batch.submit(client, 1, NewJob(command="exit 3"))
            await client.wait_all(failing)
            with pytest.raises(CmdexecError, match="is failed"):
                await batch.completed(client, failing)

    with ends(server):
        asyncio.run(checked())
        server.stop()
