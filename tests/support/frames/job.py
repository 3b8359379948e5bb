"""What must be true of a job after all that two workers said of it: a second, smaller writing of the promises.

It knows nothing of the product's own rules, and only what these sequences can reach: no lease ends, nobody cancels.
"""

import hashlib
from dataclasses import dataclass, field

STREAMS = ("stdout", "stderr")
NEVER_SPAWNED_MAX = 6


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Said:
    """A result: what it names of each stream (bytes, digest), and what comes with it."""

    exit_code: int
    named: dict[str, tuple[int, str]]
    inline: dict[str, bytes] = field(default_factory=dict)

    @property
    def body(self) -> tuple[object, ...]:
        """What makes two results the same."""
        return self.exit_code, *sorted(self.named.items())


@dataclass
class Try:
    """One attempt: who holds it, and what must be stored of it. `open`: output is taken; `has_row`: it ever was."""

    holder: str
    has_row: bool = False
    open: bool = False
    streams: dict[str, bytearray] = field(default_factory=lambda: {name: bytearray() for name in STREAMS})
    result: Said | None = None
    whole: dict[str, bool] = field(default_factory=dict)

    def ends(self) -> tuple[int, int]:
        return len(self.streams["stdout"]), len(self.streams["stderr"])

    def begin(self) -> None:
        self.has_row = self.open = True


class JobModel:
    """`state`: waiting, assigned, running or ended; `status` is how it is stored once it has ended."""

    def __init__(self, retries: int) -> None:
        self.retries = retries
        self.state = "waiting"
        self.status = ""
        self.attempt = 0
        self.tries: dict[int, Try] = {}
        self._never_spawned = 0
        self._avoided_by: set[str] = set()

    @property
    def now(self) -> Try:
        """The newest attempt."""
        return self.tries[self.attempt]

    def claimed(self, by: str, attempt: int) -> None:
        """A worker was given it. Fails where that must not be."""
        assert self.state == "waiting", f"attempt {attempt} was given away while the job was {self.state}"
        assert attempt == self.attempt + 1, f"attempt {attempt} came after {self.attempt}"
        assert by not in self._avoided_by, f"{by} had declined it"
        self.attempt, self.state = attempt, "assigned"
        self.tries[attempt] = Try(by)

    def is_holder(self, by: str, attempt: int) -> bool:
        return attempt == self.attempt and self.tries[attempt].holder == by

    def output(self, by: str, attempt: int, stream: str, offset: int, data: bytes) -> str:
        """`taken` (perhaps nothing of it is new), `gap`, or `refused`. The first that came of each byte stays."""
        one = self.tries.get(attempt)
        if one is None or not one.open or one.holder != by:
            return "refused"
        stored = one.streams[stream]
        if offset > len(stored):
            return "gap"
        stored += data[len(stored) - offset :]
        return "taken"

    def start(self, by: str, attempt: int) -> str:
        if not self.is_holder(by, attempt) or self.state not in ("assigned", "running"):
            return "stop"
        if self.state == "assigned":
            self._begin()
        return "go"

    def released(self, by: str, attempt: int, why: str) -> str:
        if not self.is_holder(by, attempt):
            return "stop"
        never = why in ("neverSpawned", "startedAhead")
        if self.state == "ended":
            return "ok" if never or why == "dead" else "stop"
        if why == "declined":
            return self._declined(by)
        if never:
            self._never_spawned += why == "neverSpawned"
            self._over("failed" if self._never_spawned >= NEVER_SPAWNED_MAX else None)
        elif self.state == "assigned":
            self._over(None)
        elif why == "handedBack":
            self._over("failed")
        else:
            self._over(self._retried())
        return "ok"

    def done(self, by: str, attempt: int, said: Said) -> str:
        """`ok`, `stop`, or `resend`: output is missing before what comes with it."""
        one = self.tries.get(attempt)
        if one is not None and one.result is not None:
            return "ok" if one.result.body == said.body else "stop"
        if one is None or not self.is_holder(by, attempt) or self.state not in ("assigned", "running"):
            return "stop"
        if self.state == "assigned":
            self._begin()
        pieces: dict[str, bytes] = {}
        for name, (length, _) in said.named.items():
            missing = length - len(one.streams[name])
            if missing > len(said.inline.get(name, b"")):
                return "resend"
            pieces[name] = said.inline[name][-missing:] if missing > 0 else b""
        for name, (length, of_all) in said.named.items():
            one.streams[name] += pieces[name]
            one.whole[name] = (length, of_all) == (len(one.streams[name]), digest(one.streams[name]))
        one.result = said
        self._over("completed" if said.exit_code == 0 else self._retried())
        return "ok"

    def _begin(self) -> None:
        self.state = "running"
        self.now.begin()

    def _declined(self, by: str) -> str:
        if self.state != "assigned":
            return "stop"
        self._over("failed" if self._avoided_by else None)
        self._avoided_by.add(by)
        return "ok"

    def _retried(self) -> str | None:
        if not self.retries:
            return "failed"
        self.retries -= 1
        return None

    def _over(self, status: str | None) -> None:
        self.now.open = False
        self.state, self.status = ("waiting", "") if status is None else ("ended", status)
