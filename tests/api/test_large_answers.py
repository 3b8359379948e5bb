"""Answers that are much larger than what the server holds in memory for them."""

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.server import Running, running

JOBS, BATCH = 60, 15
LARGE = {"command": ["true", *("x" * 112_000 for _ in range(4))]}
ALLOWED_MIB = 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """Its own: the peak of memory shall not be that of other tests."""
    with running(tmp_path) as run:
        yield run


def peak_mib(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see the peak of memory")
def test_the_status_of_many_large_jobs_takes_little_memory(server: Running) -> None:
    """27 MB of answer, three times at once."""
    api = server.api("operator")
    ids = [job_id for _ in range(JOBS // BATCH) for job_id in api.create_many([LARGE] * BATCH)]
    before = peak_mib(server.process.pid)
    path = "/api/jobs/status?" + "&".join(f"jobId={job_id}" for job_id in ids)
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: api.ask("GET", path), range(3)))
    for answer in answers:
        assert [job["jobId"] for job in answer["jobs"]] == ids
        assert all(job["command"] == LARGE["command"] for job in answer["jobs"])
    grown = peak_mib(server.process.pid) - before
    assert grown < ALLOWED_MIB, f"{grown:.0f} MiB more than before"


def test_a_large_batch_is_answered_job_by_job_as_it_is_read_again(server: Running) -> None:
    api = server.api("operator")
    batch = [LARGE | {"name": str(number)} for number in range(BATCH)]
    key = {"Idempotency-Key": "large-batch", "Authorization": f"Bearer {api.token}"}
    answers = [api.call("POST", "/api/jobs/create", batch, key) for _ in range(2)]
    assert [(status, "content-length" in headers) for status, headers, _ in answers] == [(200, False)] * 2
    first, again = (json.loads(body)["jobs"] for _, _, body in answers)
    assert [job["name"] for job in first] == [one["name"] for one in batch]
    assert all(job["command"] == LARGE["command"] for job in first)
    assert [job["jobId"] for job in again] == [job["jobId"] for job in first]
    small = api.call("POST", "/api/jobs/create", [{"command": "true"}] * 3, {"Authorization": f"Bearer {api.token}"})
    assert "content-length" in small[1]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see the peak of memory")
def test_lists_of_large_jobs_take_little_memory(server: Running) -> None:
    """Eight at once, of jobs of 31 MB together."""
    api = server.api("operator")
    large = {"command": "true", "stdin": base64.b64encode(b"x" * 260_000).decode(), "tags": ["list"]}
    made = [job_id for _ in range(2 * JOBS // BATCH) for job_id in api.create_many([large] * BATCH)]
    before = peak_mib(server.process.pid)
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: api.ask("GET", "/api/jobs?limit=1000&tag=list"), range(8)))
    assert all([job["jobId"] for job in page["jobs"]] == made[::-1] for page in pages)
    grown = peak_mib(server.process.pid) - before
    assert grown < ALLOWED_MIB, f"{grown:.0f} MiB more than before"
