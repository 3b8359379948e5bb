"""What a release has written, today's server reads: each job stands as it stood then."""

import hashlib
import json
import lzma
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from cmdexec.model.job import Reason, Status
from tests.support.system import Server, ends
from tests.upgrade.make import MOST_BYTES

KEPT = sorted(path.parent for path in Path(__file__).parent.glob("*/SHA256SUMS"))
GIVEN_BY_NOTHING_YET = {Reason.REJECTED, Reason.DEPENDENCY, Reason.CANCELLED}
"""Reasons that no job of that release could end with."""


def test_a_release_is_kept() -> None:
    assert KEPT


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_what_is_kept_is_whole(kept: Path) -> None:
    files = [path for path in sorted(kept.iterdir()) if path.name != "SHA256SUMS"]
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    assert (kept / "SHA256SUMS").read_text().splitlines() == sums
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    (wheel,) = kept.glob("*.whl")
    assert zipfile.ZipFile(wheel).testzip() is None
    stood = json.loads((kept / "jobs.json").read_text()).values()
    assert len(stood) == 1000
    assert {job["status"] for job in stood} == {str(status) for status in Status}
    assert {job["reason"] for job in stood} - {None} == {str(one) for one in set(Reason) - GIVEN_BY_NOTHING_YET}


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_todays_server_goes_on_with_its_store(kept: Path, tmp_path: Path) -> None:
    server = Server(tmp_path)
    with lzma.open(kept / "store.tar.xz") as packed, tarfile.open(fileobj=packed) as tar:
        tar.extractall(server.data, filter="data")
    server.data.chmod(0o700)
    stood = json.loads((kept / "jobs.json").read_text())
    with ends(server):
        server.start()
        api = server.with_own_token()
        jobs = api.jobs(sorted(stood))
        stands = {job["jobId"]: {"status": job["status"], "reason": job["reason"]} for job in jobs}
        assert stands == stood
        assert Counter(job["status"] for job in jobs)["completed"] >= 700
        done = next(job for job in jobs if job["status"] == "completed" and str(job["command"]).startswith("echo "))
        number = str(done["command"]).partition(";")[0].removeprefix("echo ")
        assert api.output(done["jobId"]) == f"{number}\n".encode()
        assert api.create({"command": "true"})["status"] == "queued"
