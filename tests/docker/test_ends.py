"""How jobs in containers end: each reason in its words, nothing left, every byte there."""

import base64
import hashlib
import random

import pytest

from tests.support.api import Api
from tests.support.containers import contained, containers_of, left_volumes
from tests.support.system import Server, Worker
from tests.support.waiting import until


def ends(api: Api, within: float = 20.0, **job: object) -> dict[str, object]:
    """The job, ended, with the proof that nothing is left of it."""
    job_id = api.create(job)["jobId"]
    ended: dict[str, object] = api.wait_ended([job_id], within=within)[0]
    return ended


def test_the_first_job_of_all(api: Api) -> None:
    job = ends(api, **contained("echo Hello from worker"))
    assert (job["status"], job["exitCode"]) == ("completed", 0)
    assert api.output(str(job["jobId"])) == b"Hello from worker\n"


def test_both_streams_are_apart_and_exact_whatever_bytes_they_are(api: Api) -> None:
    data = random.Random(3).randbytes(200_000)
    stdin = base64.b64encode(data).decode()
    job = ends(api, **contained("tee /tmp/in | sha256sum >&2; cat /tmp/in", stdin=stdin))
    digest = hashlib.sha256(data).hexdigest()
    assert api.output(str(job["jobId"])) == data
    assert api.output(str(job["jobId"]), "stderr").decode() == f"{digest}  -\n"
    output = job["output"]
    assert isinstance(output, dict)
    assert (output["stdout"]["digest"], output["stdout"]["whole"], output["stderr"]["whole"]) == (digest, True, True)


def test_more_than_memory_may_hold_comes_whole(api: Api) -> None:
    """Reading waits while the window is full, and the container with it."""
    job = ends(api, within=40, **contained("dd if=/dev/zero bs=65536 count=400 2>/dev/null | tr '\\0' x"))
    assert api.output(str(job["jobId"])) == b"x" * (65536 * 400)


def test_an_exit_code_is_the_jobs_own_also_above_128(api: Api) -> None:
    codes = [ends(api, **contained(f"exit {code}"))["exitCode"] for code in (3, 143, 255)]
    assert codes == [3, 143, 255]


@pytest.mark.parametrize(
    ("job", "reason", "words"),
    [
        (contained(["frob", "x"]), "start", "no such program: frob"),
        (contained("true", containerImage="nobody.invalid/none:1"), "image", "nobody.invalid/none:1: No such image"),
        (contained("true", containerImage="localhost:1/none:1", pull="missing"), "image", "connection refused"),
        (contained("true", containerImage="localhost:1/none:1", pull="always"), "image", "connection refused"),
        (contained("true", containerImage="x.-/none:1", pull="always"), "image", "x.-/none:1: "),
        (contained("true", containerImage="UPPER::1", pull="never"), "start", "invalid reference format"),
        (contained("true", ramMb=2), "start", "refused it: Minimum memory limit allowed"),
        (contained("sleep 60", timeoutSec=0.5, killGraceSec=0.2), "timeout", "limit of 0.5 s"),
        (contained("exit 9"), "exit", "exit code 9"),
    ],
    ids=[
        "program",
        "no image",
        "no registry",
        "no registry always",
        "odd registry",
        "no name",
        "limit",
        "timeout",
        "exit",
    ],
)
def test_each_reason_is_told_in_words(api: Api, job: dict[str, object], reason: str, words: str) -> None:
    ended = ends(api, **job)
    assert (ended["status"], ended["reason"]) == ("failed", reason), ended["message"]
    assert words in str(ended["message"])


@pytest.mark.parametrize("deaf", [False, True], ids=["obedient", "deaf to TERM"])
def test_a_cancelled_one_is_gone_with_all_its_children(
    api: Api, system: tuple[Server, Worker], deaf: bool
) -> None:  # fmt: skip
    _, worker = system
    start = "trap '' TERM; " if deaf else ""
    job_id = api.create(contained(f"{start}sleep 77 & sleep 78 & echo up; wait", killGraceSec=0.3))["jobId"]
    until(lambda: api.output(job_id) == b"up\n", "it runs")
    assert api.cancel(job_id)["outcome"] == "asked"
    job = api.wait_status(job_id, "cancelled")
    assert job["confirmed"] is True
    assert job["attempts"][-1]["proof"] == {"left": 0, "survivors": []}
    assert not containers_of(worker)


def test_the_volumes_of_its_image_go_with_it(api: Api) -> None:
    """The image declares one, which the engine makes for each container."""
    before = left_volumes()
    assert ends(api, **contained("mount | grep -q ' /kept '"))["status"] == "completed"
    until(lambda: left_volumes() <= before, "it is gone")


def test_one_that_closes_its_output_is_waited_for(api: Api) -> None:
    job = ends(api, **contained("echo a; exec >/dev/null 2>&1; sleep 1; exit 5"))
    assert (job["exitCode"], api.output(str(job["jobId"]))) == (5, b"a\n")


def test_children_in_the_background_end_with_it(api: Api) -> None:
    job = ends(api, **contained("(sleep 100; echo late) & echo done"))
    assert (job["status"], api.output(str(job["jobId"]))) == ("completed", b"done\n")


def test_the_environment_is_the_images_and_the_jobs_own(api: Api) -> None:
    job = ends(api, **contained("env", env={"A": "b c", "PATH": "/bin"}))
    told = dict(line.split("=", 1) for line in api.output(str(job["jobId"])).decode().splitlines())
    assert (told["A"], told["PATH"], told["HOME"]) == ("b c", "/bin", "/job")
    assert (told["CMDEXEC_JOB_ID"], told["CMDEXEC_ATTEMPT"]) == (job["jobId"], "1")
    assert set(told) <= {"A", "PATH", "HOME", "PWD", "SHLVL", "HOSTNAME", "CMDEXEC_JOB_ID", "CMDEXEC_ATTEMPT"}
