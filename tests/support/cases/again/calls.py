"""What a worker asks by HTTP. These workers run nothing: they say what the case wants, and write the ledger."""

import base64
from typing import Any
from urllib.parse import urlencode

from tests.support.cases.again.scene import Answer, Scene, waits_for
from tests.support.ledger import Ledger
from tests.support.payload import expected_output

Ref = dict[str, Any]
LINES = 6


class Voice:
    """A worker: each call either past the proxy (`says`) or by way of it (`asks`)."""

    def __init__(self, scene: Scene, slots: int = 1) -> None:
        self.scene = scene
        self.worker_id = scene.name("voice")
        self.headers = scene.worker_token(self.worker_id)
        self.me = {
            "slots": slots, "session": f"spool-{self.worker_id}", "instanceId": f"process-{self.worker_id}",
            "labels": {"only": self.worker_id},
        }  # fmt: skip

    def asks(self, method: str, path: str, body: Any = None) -> Answer:
        return self.scene.asks(method, path, body, **self.headers)

    def says(self, method: str, path: str, body: Any = None) -> Any:
        """What a call is answered that has to go well."""
        status, told = self.scene.looks(method, path, body, **self.headers)
        assert status == 200, (path, status, told)
        return told

    def enters(self) -> None:
        self.says("POST", "/api/workers/register", self.me)
        self.says("POST", "/api/workers/heartbeat", {"jobs": []})

    def takes(self, count: int = 1) -> list[Ref]:
        """Jobs for it alone, assigned to it."""
        ids = self.scene.admin.create_surely([waits_for(self.worker_id)] * count)
        taken: list[Ref] = []
        while len(taken) < count:
            asked = {"claim": self.scene.name("claim"), "wait": 10, "max": count - len(taken)}
            taken += self.says("GET", f"/api/jobs/get-job?{urlencode(asked)}")["jobs"]
        assert {job["jobId"] for job in taken} == set(ids)
        return [ref(job) for job in taken]

    def starts(self, job: Ref) -> None:
        told = self.says("POST", "/api/workers/heartbeat", {"jobs": [job], "start": [job]})
        assert told["start"][0]["tell"] == "go", told
        wrote(self.scene.world.ledger, job, "begin")

    def end(self, job: Ref) -> None:
        """It ends well, with all of its lines in the result."""
        wrote(self.scene.world.ledger, job, "end", LINES)
        told = self.says("POST", "/api/jobs/submit-result", result(job))
        assert told["status"] == "completed", told


def ref(job: Ref) -> Ref:
    """The attempt, named."""
    return {"jobId": job["jobId"], "attempt": job["attempt"]}


def wrote(ledger: Ledger, job: Ref, word: str, lines: int | None = None) -> None:
    """As the job itself would have."""
    more = "" if lines is None else f" lines={lines} exit=0"
    with ledger.path.open("a") as file:
        file.write(f"{job['jobId']} {job['attempt']} {word}{more}\n")


def result(job: Ref) -> dict[str, Any]:
    """It ended with 0, having written its lines, which ride along."""
    out, err = expected_output(job["jobId"], job["attempt"], LINES)
    inline = {"stdout": base64.b64encode(out).decode(), "stderr": base64.b64encode(err).decode()}
    return job | {"exitCode": 0, "inline": inline, "output": lengths(out, err)}


def lengths(out: bytes, err: bytes) -> dict[str, Any]:
    """How long the streams of a result are."""
    return {"stdout": {"bytes": len(out)}, "stderr": {"bytes": len(err)}}


def begun(scene: Scene) -> tuple[Voice, Ref]:
    """A worker, with a job that it has begun."""
    voice = Voice(scene)
    voice.enters()
    (job,) = voice.takes()
    voice.starts(job)
    return voice, job


def stored(scene: Scene, job: Ref) -> tuple[bytes, bytes]:
    """What there is of its output."""
    api = scene.admin
    return api.output(job["jobId"], "stdout"), api.output(job["jobId"], "stderr")


def register(scene: Scene) -> None:
    voice = Voice(scene, slots=3)

    def look() -> object:
        status, told = scene.looks("GET", f"/api/workers/{voice.worker_id}")
        return told if status != 200 else (told["slots"], told["labels"], told["registeredAt"])

    status, told = scene.again("workers.register", lambda: voice.asks("POST", "/api/workers/register", voice.me), look)
    assert (status, told["workerId"], told["session"]) == (200, voice.worker_id, voice.me["session"])
    (job,) = voice.takes()
    voice.starts(job)
    voice.end(job)


def heartbeat(scene: Scene) -> None:
    """One that asks to start a job, and declines another."""
    voice = Voice(scene, slots=2)
    voice.enters()
    wanted, unwanted = voice.takes(2)
    released = unwanted | {"why": "declined", "message": "Not here."}
    body = {"jobs": [wanted, unwanted], "seq": 9, "start": [wanted], "released": [released]}

    def look() -> list[object]:
        return [scene.stands(job["jobId"]) for job in (wanted, unwanted)]

    status, told = scene.again("workers.heartbeat", lambda: voice.asks("POST", "/api/workers/heartbeat", body), look)
    assert (status, told["start"][0]["tell"]) == (200, "go"), told
    assert told["released"][0]["tell"] in ("ok", "stop"), "it has it no more, either way"
    wrote(scene.world.ledger, wanted, "begin")
    voice.end(wanted)
    assert scene.admin.job(unwanted["jobId"])["reason"] == "rejected"


def claim(scene: Scene) -> None:
    """The same claim gives the same job."""
    voice = Voice(scene)
    voice.enters()
    (job_id,) = scene.admin.create_surely([waits_for(voice.worker_id)])
    asked = {"claim": scene.name("claim"), "wait": 10, "max": 1}

    def look() -> tuple[object, list[dict[str, Any]]]:
        _, told = scene.looks("GET", f"/api/workers/{voice.worker_id}")
        return scene.stands(job_id), told["jobs"]

    status, told = scene.again(
        "attempts.claim", lambda: voice.asks("GET", f"/api/jobs/get-job?{urlencode(asked)}"), look
    )
    assert (status, [ref(job) for job in told["jobs"]]) == (200, [{"jobId": job_id, "attempt": 1}])
    voice.starts(ref(told["jobs"][0]))
    voice.end(ref(told["jobs"][0]))


def output(scene: Scene) -> None:
    voice, job = begun(scene)
    out, err = expected_output(job["jobId"], job["attempt"], LINES)
    cut = scene.rng.randrange(1, len(out))
    pieces = (("stdout", 0, out[:cut]), ("stderr", 0, err), ("stdout", cut, out[cut:]))
    chunks = [
        {"stream": stream, "offset": offset, "data": base64.b64encode(data).decode()} for stream, offset, data in pieces
    ]
    status, told = scene.again(
        "attempts.output", lambda: voice.asks("POST", "/api/jobs/stream-output", job | {"chunks": chunks}),
        lambda: stored(scene, job),
    )  # fmt: skip
    assert (status, told["acknowledged"]) == (200, {"stdout": len(out), "stderr": len(err)})
    wrote(scene.world.ledger, job, "end", LINES)
    voice.says("POST", "/api/jobs/submit-result", job | {"exitCode": 0, "output": lengths(out, err)})
    assert stored(scene, job) == (out, err)


def done(scene: Scene) -> None:
    voice, job = begun(scene)
    wrote(scene.world.ledger, job, "end", LINES)

    def look() -> tuple[object, tuple[bytes, bytes]]:
        return scene.stands(job["jobId"]), stored(scene, job)

    status, told = scene.again(
        "attempts.done", lambda: voice.asks("POST", "/api/jobs/submit-result", result(job)), look
    )
    assert (status, told["status"], told["exitCode"]) == (200, "completed", 0)
