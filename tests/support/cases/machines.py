"""A world in which server and workers are on machines of their own, each with clocks that a case sets."""

from pathlib import Path
from typing import Any

from tests.support.api import Api
from tests.support.cases.homes import Home
from tests.support.cases.world import LEASE_SEC, World
from tests.support.clocked import WARDEN, Dial
from tests.support.proc import children
from tests.support.recorder import Recorder, RecordingApi
from tests.support.system import EMAIL, Process, Worker

SERVER = "server"


class Machines(World):
    """`dials`: the clocks of each machine, by the name of what runs on it. Workers have credentials of their own: what
    is signed with a shared secret is good for a time, so clocks count there."""

    def __init__(
        self, folder: Path, recorder: Recorder, seed: int, lease_sec: float = LEASE_SEC, home: Home | None = None,
        **settings: str,
    ) -> None:  # fmt: skip
        super().__init__(folder, recorder, seed, lease_sec, home, **settings)
        self.dials: dict[str, Dial] = {}
        self.server.command = self._machine(SERVER).command()
        self._join_token = ""

    def __enter__(self) -> "Machines":
        super().__enter__()
        made = self.server.api().ask("POST", "/api/join-tokens", {"uses": 100, "expiresSec": 30 * 86_400})
        self._join_token = made["token"]
        return self

    def worker_at(self, name: str, ahead_ms: int = 0, *, slots: int = 3, **settings: str) -> Worker:
        """One more, on a machine whose wall clock is so far ahead."""
        dial = self._machine(name)
        dial.set_wall(ahead_ms)
        return self.worker(name, slots=slots, JOIN_TOKEN=self._join_token, **settings)

    def api(self, caller: str, url: str | None = None) -> RecordingApi:
        return SigningIn(url or self.server.url, self.token, self.recorder, caller, self.server.password)

    def made(self, worker: Worker) -> None:
        worker.arguments[:3] = self.dials[worker.name].command()

    def latest(self) -> None:
        """The server's wall clock is where it was at its latest: what is due by it is due now. Else a job that was put
        off for a moment, when it was a day ahead, would begin in a day."""
        dial = self.dials[SERVER]
        dial.set_wall(dial.latest_ms)
        self.recorder.ahead_sec = dial.latest_ms / 1000

    def _machine(self, name: str) -> Dial:
        dial = self.dials[name] = Dial(self.folder / f"clocks-of-{name}")
        return dial


class SigningIn(RecordingApi):
    """Whoever is not signed in any more, since the clock has moved past that, signs in again."""

    def __init__(self, url: str, token: str | None, recorder: Recorder, caller: str, password: str) -> None:
        super().__init__(url, token, recorder, caller)
        self._password = password

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, within: float = 30.0
    ) -> tuple[int, dict[str, str], bytes]:
        answer = super().call(method, path, body, headers, within)
        if answer[0] != 401:
            return answer
        fresh = Api(f"http://{self.host}:{self.port}")
        fresh.login(EMAIL, self._password)
        self.token = fresh.token
        return super().call(method, path, body, headers, within)


def warden_of(worker: Process) -> int:
    """The process that makes the jobs' processes."""
    found = [pid for pid in children(worker.pid) if WARDEN.encode() in _read(f"/proc/{pid}/cmdline")]
    assert len(found) == 1, found
    return found[0]


def jobs_of(pids: list[int]) -> dict[int, str]:
    """The job that each of these processes belongs to, as its environment says."""
    found = {}
    for pid in pids:
        for word in _read(f"/proc/{pid}/environ").split(b"\0"):
            if word.startswith(b"CMDEXEC_JOB_ID="):
                found[pid] = word.partition(b"=")[2].decode()
    return found


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""  # the process has just ended
