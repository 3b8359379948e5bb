"""kill -9 of the worker while ten containers run: all are taken up, not a byte is lost or doubled, nothing is left.

`CMDEXEC_CONTAINER_KILLS=20` kills as often (three times otherwise).
"""

import base64
import hashlib
import os
import random
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.containers import QUICK, contained, containers_of, left_volumes, worker_of
from tests.support.system import Server, ends
from tests.support.waiting import until

KILLS = int(os.environ.get("CMDEXEC_CONTAINER_KILLS", "3"))
A_BATCH = 3
JOBS = 10
PIECE = 4 * 1024
PIECES = 10

ALL = 2 * PIECES * PIECE * JOBS

COMMAND = f"""
echo $DATA | base64 -d > in
for i in $(seq 0 {PIECES - 1}); do
  dd if=in bs={PIECE} skip=$i count=1 2>/dev/null
  dd if=in bs={PIECE} skip=$(({PIECES} + $i)) count=1 >&2 2>/dev/null
  sleep 0.$((RANDOM % 5 + 4))
done
exit $CODE
"""
"""Writes the first half of its data to one stream and the second to the other, by and by."""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.timeout(60 + 15 * KILLS)
def test_all_are_taken_up_and_no_byte_is_lost_or_doubled(tmp_path: Path) -> None:
    server = Server(tmp_path, **QUICK).start()
    worker = worker_of(server, slots=JOBS)
    rng, kills, before = random.Random(5), 0, left_volumes()
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        while kills < KILLS:
            inputs = [rng.randbytes(2 * PIECES * PIECE) for _ in range(JOBS)]
            jobs = api.create_many([
                contained(COMMAND, env={"CODE": str(number % 2), "DATA": base64.b64encode(data).decode()})
                for number, data in enumerate(inputs)
            ])  # fmt: skip
            until(lambda jobs=jobs: all(api.output(job) for job in jobs), "all have written something", 60)
            for number in range(min(A_BATCH, KILLS - kills)):
                worker.kill9()
                before_it = written(api, jobs)
                worker.start(api)
                kills += 1
                if number:  # else it is killed while it takes them up
                    until(
                        lambda jobs=jobs, than=before_it: written(api, jobs) > min(than, ALL - 1), "more is written", 20
                    )
            for number, (job, data) in enumerate(zip(api.wait_ended(jobs, within=40), inputs, strict=True)):
                ended_as_it_should(api, job, data, code=number % 2)
            until(lambda: not containers_of(worker), "no container is left", 10)
        until(lambda: left_volumes() <= before, "the image's own volumes went with their containers")
        assert worker.stop() == 0
        assert server.stop() == 0


def written(api: Api, jobs: list[str]) -> int:
    """Bytes of both streams that the server has of all."""
    return sum(len(api.output(job, stream)) for job in jobs for stream in ("stdout", "stderr"))


def ended_as_it_should(api: Api, job: dict[str, object], data: bytes, *, code: int) -> None:
    """Once, by itself, with all that it wrote."""
    assert (job["status"], job["exitCode"], job["run"]) == ("failed" if code else "completed", code, 1), (
        job["message"],
        job["history"],
    )
    halves = {"stdout": data[: PIECES * PIECE], "stderr": data[PIECES * PIECE :]}
    output = job["output"]
    assert isinstance(output, dict)
    for stream, half in halves.items():
        got = api.output(str(job["jobId"]), stream)
        assert (len(got), digest(got)) == (len(half), digest(half)), stream
        told = {name: output[stream][name] for name in ("bytes", "digest", "whole", "lost")}
        assert told == {"bytes": len(half), "digest": digest(half), "whole": True, "lost": []}
