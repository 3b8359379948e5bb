"""How an answer is lost, and how often something was done: by what is seen before, after each loss, and in the end."""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

from cmdexec.admin.doctor.recorded.record import Repeated
from tests.support.api import Api
from tests.support.cases.world import World
from tests.support.pair import Lost
from tests.support.recorder import SILENCE, RecordingApi
from tests.support.server import Running

Way = Literal["http", "frame", "person's frame"]
Answer = tuple[int, Any]
"""The status, and what the body says."""

_HOW: tuple[Lost, ...] = ("none", "cut")


class Scene:
    """What all cases share: `admin` looks and prepares, past the proxy; `far` loses answers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = world.rng
        self.admin = world.api("admin")
        self.far = world.proxy()
        self._names = 0

    def name(self, what: str) -> str:
        """One that nothing else here has."""
        self._names += 1
        return f"{what}-{self._names}"

    def caller(self) -> RecordingApi:
        """Somebody whose answers may be lost, as the first admin."""
        return self.world.api("caller", self.far.url)

    def asks(self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str) -> Answer:
        """One call by way of the proxy, with no credential but those given."""
        return _answer(Api(self.far.url, token).call(method, path, body, headers))

    def looks(self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str) -> Answer:
        """One call past it, as the first admin where no other credential is given."""
        token = token or (None if headers else self.world.token)
        return _answer(Api(self.world.server.url, token).call(method, path, body, headers))

    def worker_token(self, worker_id: str) -> dict[str, str]:
        """The header of a worker's credential."""
        return {"x-worker-token": Running(self.world.server).shared(workerId=worker_id)}

    def again(self, op: str, ask: Callable[[], Any], look: Callable[[], object], *, anew: bool = False) -> Any:
        """Ask by HTTP until it is answered, once or twice in vain; what the last answer was. `look`: what is so."""
        lost = self.rng.choice((1, 1, 2))
        seen = [look()]
        for _ in range(lost):
            self.far.spoil["*"] = [self.rng.choice(_HOW)]
            self.world.fault(f"the answer to {op} is lost")
            try:
                answer = ask()
            except SILENCE:
                seen.append(look())
            else:
                raise AssertionError(f"{op} was answered, though that was to be lost: {answer!r}")
        answer = ask()
        self.note(op, "http", [*seen, look()], anew=anew)
        return answer

    def note(self, op: str, way: Way, seen: Sequence[object], *, anew: bool = False) -> None:
        """Write down how often it was done, by what was seen before it, after each time, and in the end."""
        recorder = self.world.recorder
        effects = sum(before != after for before, after in pairwise(seen))
        recorder.write(Repeated(at=recorder.now(), op=op, way=way, lost=len(seen) - 2, effects=effects, anew=anew))

    def stands(self, job_id: str) -> tuple[str, int, int]:
        """A job's status and attempt, and how much has happened to it."""
        job = self.admin.job(job_id)
        return job["status"], job["attempt"], len(job["history"])

    def for_nobody(self) -> str:
        """A job that waits for ever, unless somebody cancels it."""
        return self.admin.create_surely([waits_for("nobody")])[0]

    def cancel_what_is_left(self) -> None:
        """Jobs that wait for workers that will not come."""
        _, page = self.looks("GET", "/api/jobs?limit=1000&status=queued&status=scheduled&status=unknown")
        for job in page["jobs"]:
            self.admin.cancel(job["jobId"])


def waits_for(worker_id: str) -> dict[str, Any]:
    """A job that no other worker takes. What it would do is never done: here workers say what they want."""
    return {"command": "true", "requires": {"only": worker_id}}


def _answer(came: tuple[int, dict[str, str], bytes]) -> Answer:
    status, _, body = came
    return status, json.loads(body) if body else None
