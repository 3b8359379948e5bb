"""A worker that speaks for an attempt which holds its job no more changes nothing, whatever it says and how late."""

from pathlib import Path

from tests.support.api import Api
from tests.support.spoken import LONG, assigned, ended, says, spoken
from tests.support.system import Server, ends


def stands(api: Api, job_id: str) -> tuple[str, int, int | None]:
    job = api.job(job_id)
    return job["status"], job["attempt"], job["exitCode"]


async def test_a_late_result_of_an_older_attempt_of_the_same_worker_does_not_count(tmp_path: Path) -> None:
    """Neither while the newer one waits, nor while it runs, nor after kill -9 of the server, nor when it has ended."""
    server = Server(tmp_path, **LONG).start()
    with ends(server):
        api = server.api()
        job_id = api.create({"command": "true"})["jobId"]
        late, stale = ended(job_id, 1, 9, b"old"), ("stop", "stale_attempt")
        async with spoken(server, "w") as w:
            assert await assigned(w) == (job_id, 1)
            assert await says(w, "start", {"jobId": job_id, "attempt": 1}) == ("go", None)
            assert await says(w, "released", {"jobId": job_id, "attempt": 1, "why": "neverSpawned"}) == ("ok", None)
            assert await assigned(w) == (job_id, 2)
            assert await says(w, "done", late) == stale
            assert stands(api, job_id) == ("assigned", 2, None)
            assert await says(w, "start", {"jobId": job_id, "attempt": 2}) == ("go", None)
            assert await says(w, "done", late) == stale
            assert await says(w, "start", {"jobId": job_id, "attempt": 1}) == stale
            assert stands(api, job_id) == ("running", 2, None)
        server.kill9()
        server.start()
        api = server.api()
        async with spoken(server, "w", (job_id, 2)) as w:
            assert await says(w, "done", late) == stale
            assert stands(api, job_id) == ("running", 2, None)
            assert await says(w, "done", ended(job_id, 2, 0, b"new")) == ("ok", None)
            assert await says(w, "done", late) == stale
            assert await says(w, "done", ended(job_id, 2, 5)) == ("stop", "conflict")
            assert await says(w, "done", ended(job_id, 2, 0, b"new")) == ("ok", None), "the same again"
        assert stands(api, job_id) == ("completed", 2, 0)
        assert api.output(job_id) == b"new"


async def test_another_workers_result_does_not_count(tmp_path: Path) -> None:
    """Though it names the attempt that holds the job."""
    server = Server(tmp_path, **LONG).start()
    with ends(server):
        api = server.api()
        job_id = api.create({"command": "true"})["jobId"]
        async with spoken(server, "w") as holder, spoken(server, "other") as rival:
            assert await assigned(holder) == (job_id, 1)
            assert await says(rival, "start", {"jobId": job_id, "attempt": 1}) == ("stop", "stale_attempt")
            assert await says(holder, "start", {"jobId": job_id, "attempt": 1}) == ("go", None)
            assert await says(rival, "done", ended(job_id, 1, 9, b"foreign")) == ("stop", "stale_attempt")
            assert stands(api, job_id) == ("running", 1, None)
            assert await says(holder, "done", ended(job_id, 1, 0, b"own")) == ("ok", None)
        assert stands(api, job_id) == ("completed", 1, 0)
        assert api.output(job_id) == b"own"
