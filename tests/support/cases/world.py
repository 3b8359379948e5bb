"""What a case has: a server or two, workers, a ledger outside of them, and the recorder; all planned by one seed."""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cmdexec.admin.doctor.recorded.record import Stored
from tests.support.api import ApiError
from tests.support.cases.homes import Home, InFile
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy, proxying
from tests.support.recorder import SILENCE, Recorder, RecordingApi
from tests.support.system import FAST, Server, Worker, ends
from tests.support.waiting import holds, until

LEASE_SEC = float(FAST["LEASE_SEC"])
_ELSE_SEC = 22.0
"""How long jobs may need to end beside a lease, when the last fault is over: the longest of them, on a slow machine."""

_OPEN = "status=scheduled&status=queued&status=assigned&status=running&status=unknown"


def bound_sec(lease_sec: float) -> float:
    """Within which all jobs must have ended when the last fault is over."""
    return lease_sec + _ELSE_SEC


def _paced(lease_sec: float) -> dict[str, str]:
    """A lease, with a heartbeat that is to it as both are shipped."""
    return {"LEASE_SEC": f"{lease_sec:g}", "HEARTBEAT_SEC": f"{lease_sec / 6:g}"}


class World:
    """Everything of one case. `rng` plans it: whatever is drawn is drawn before the threads begin, so that the same
    seed gives the same plan. `faults` counts what was done to the system. `numbers`: each is given once. `settings`: of
    its servers, beside those by which all is fast."""

    def __init__(
        self, folder: Path, recorder: Recorder, seed: int, lease_sec: float = LEASE_SEC, home: Home | None = None,
        **settings: str,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.lease_sec = lease_sec
        self._fast = FAST | _paced(lease_sec)
        self.rng = random.Random(seed)
        self.recorder = recorder
        self.ledger = Ledger(folder / "ledger")
        self.home = home or InFile(folder)
        self.server = Server(folder, **(self._fast | settings))
        self.workers: dict[str, Worker] = {}
        self.faults = 0
        self.numbers = itertools.count(1)
        self.stored: list[Stored] = []
        self._stack = ExitStack()
        self._token: str | None = None

    def __enter__(self) -> "World":
        with ExitStack() as stack:
            stack.callback(self.home.end)
            self.server.environment |= self.home.begin()
            stack.push(self._judge_home)
            stack.enter_context(ends(self.server))
            self.server.start()
            self._token = self.server.api().token
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *fault: Any) -> None:
        self._stack.__exit__(*fault)

    def _judge_home(self, fault: type[BaseException] | None, *_: object) -> None:
        if fault is None:
            self.home.must_be_well()

    def api(self, caller: str, url: str | None = None) -> RecordingApi:
        """Somebody who asks, by way of `url` if one is named; what it changes is recorded."""
        return RecordingApi(url or self.server.url, self._token, self.recorder, caller)

    @property
    def token(self) -> str:
        """The first admin's."""
        assert self._token is not None, "not started"
        return self._token

    def beside(self) -> Server:
        """Another server on the same store, until the end of the case; everybody may go to either."""
        other = Server(self.folder / "beside")
        other.password, other.secret = self.server.password, self.server.secret
        other.environment = self.server.environment | {"HOME": str(other.folder)}
        self._stack.enter_context(ends(other))
        return other.start()

    def worker(
        self, name: str, *, slots: int = 3, url: str | None = None, at: Server | None = None, **settings: str
    ) -> Worker:
        """One more, started and online; `url`: by way of a proxy; `at`: of that server."""
        server = at or self.server
        worker = Worker(server, name, slots=slots, **(self._fast | settings))
        if url is not None:
            worker.arguments[worker.arguments.index(server.url)] = url
        self.workers[name] = worker
        self.made(worker)
        self._stack.enter_context(ends(worker))
        return worker.start(self.api("looker"))

    def made(self, worker: Worker) -> None:
        """It is about to be started."""

    def proxy(self) -> Proxy:
        """One to the server, until the end of the case."""
        return self._stack.enter_context(proxying(self.server.port))

    def fault(self, what: str) -> None:
        """Something is about to be done to the system."""
        self.faults += 1
        self.recorder.fault(what)

    def passes(self, seconds: float) -> None:
        """So long goes by; the workers must live."""
        holds(lambda: all(one.running() for one in self.workers.values()), "the workers live", during=seconds)

    def settle(self) -> list[Stored]:
        """The faults are over: wait until all jobs have ended, or must have, and write down how it stands."""
        self.recorder.calm()
        api = self.api("looker")

        def ended() -> bool:
            try:
                return not api.ask("GET", f"/api/jobs?limit=1&{_OPEN}")["jobs"]
            except (*SILENCE, ApiError):
                return False

        try:
            until(ended, "all jobs have ended", within=bound_sec(self.lease_sec) + 5, step=0.05)
        except AssertionError as too_long:
            print(too_long)  # which jobs, the judge says
        self.stored = self.recorder.finish(api, self.ledger, self.home.counts())
        return self.stored


Must = Callable[[Stored], bool]


def must_be(stored: list[Stored], must: Must, what: str) -> None:
    """Fail with the jobs of which it is not so."""
    wrong = [job.job for job in stored if not must(job)]
    assert not wrong, f"{what}: not so of {wrong}"


def whole(job: Stored) -> bool:
    """Whether all output of it is there, if it ended by itself."""
    streams = [stream for ran in job.ran for stream in (ran.stdout, ran.stderr) if ran.ok or ran.reason == "exit"]
    return all(stream is not None and stream.whole is True for stream in streams)


def untouched(job: Stored) -> bool:
    """Whether it needed no more than one attempt, and its lease was never over."""
    return len(job.ran) <= 1 and "unknown" not in Counter(status for _, status, _ in job.events)
