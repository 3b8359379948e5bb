"""What two workers say of one job, step by step, drawn from a seed: one says what is right, more or less; in between
come frames of older attempts, of attempts that are not there yet, and of the worker that does not hold the job.

Within a step nothing that is said may race with anything that changes its meaning, so that the model knows each answer.
Bytes that must never be stored are all `POISON`.
"""

import random
import uuid
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.frames.job import STREAMS, JobModel, Said, digest

NAMES = ("one", "two")
POISON = 0xEE
STEPS = (1, 2, 2, 3, 7)
"""How many steps a case has before it is brought to its end: few are long."""

_NOBODYS = 99
"""The exit code of results that must not count."""

_SIZES = (0, 1, 40, 300, 1500, 6000)
_NOISE = 0.5


@dataclass(frozen=True)
class Piece:
    """A binary frame. `tell`: what its acknowledgement says; `ends`: how much of both streams is stored after it, if
    that is the worker's to know."""

    by: str
    job_id: str
    attempt: int
    stream: str
    offset: int
    data: bytes
    seq: int
    tell: str
    ends: tuple[int, int] | None


@dataclass(frozen=True)
class Asked:
    """One item of a frame, and what its answer must tell."""

    by: str
    op: str
    item: dict[str, Any]
    tell: str


@dataclass
class Step:
    """What is said of one job before anything else is; each worker says its part in this order, output first."""

    pieces: list[Piece] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


def _brief(one: Piece | Asked) -> str:
    if isinstance(one, Asked):
        item = {name: value for name, value in one.item.items() if name not in ("jobId", "inline")}
        return f"{one.by} says {one.op} {item}: {one.tell}"
    shown = f"{len(one.data)} bytes{' of poison' if POISON in one.data else ''}"
    return f"{one.by} sends {shown} at {one.offset} of {one.stream}, attempt {one.attempt}: {one.tell} {one.ends}"


class Case:
    """One job, and the story of it. `job_id` is given before its first step. `told` keeps all that was said."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.retries = self.rng.choice((0, 0, 1))
        self.model = JobModel(self.retries)
        self.job_id = ""
        self.steps_left = self.rng.choice(STEPS)
        self.told: list[Step] = []
        self._truths: dict[tuple[int, str], bytes] = {}

    def story(self) -> str:
        """All that was said of it, for people."""
        said = [(number, one) for number, step in enumerate(self.told, 1) for one in (*step.pieces, *step.asked)]
        return "\n".join(f"  {number}. {_brief(one)}" for number, one in said)

    @property
    def over(self) -> bool:
        return self.model.state == "ended" and self.steps_left <= 0

    def step(self) -> Step:
        """What is said next, as the model stands now. It stands as after it when this returns."""
        step, model = Step(), self.model
        self.steps_left -= 1
        self._noise(step)
        if self.steps_left < 0:
            self._finish(step)
        elif model.state == "assigned":
            self._pick(step, ((60, self._start), (10, self._early), (10, self._done), (20, self._release)))
        elif model.state == "running":
            self._pick(step, ((55, self._write), (8, self._start), (27, self._done), (10, self._release)))
        else:
            self._pick(step, ((50, self._repeat), (50, self._late)))
        self._noise(step)
        self.told.append(step)
        return step

    def truth(self, attempt: int, stream: str) -> bytes:
        """What the attempt writes to that stream, all of it."""
        key = (attempt, stream)
        if key not in self._truths:
            rng = random.Random(f"{self.seed} {attempt} {stream}")
            self._truths[key] = rng.randbytes(rng.choice(_SIZES)).replace(bytes([POISON]), b"\0")
        return self._truths[key]

    # What is right, more or less ----------------------------------------------------------------------------------

    def _pick(self, step: Step, choices: tuple[tuple[int, Any], ...]) -> None:
        (do,) = self.rng.choices([one for _, one in choices], [weight for weight, _ in choices])
        do(step)

    def _start(self, step: Step) -> None:
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            self._ask_start(step, self._holder, self.model.attempt)

    def _early(self, step: Step) -> None:
        """Output of an attempt that has not begun."""
        for piece in self._cut(self.model.attempt):
            self._say(step, self._holder, self.model.attempt, *piece)

    def _write(self, step: Step) -> None:
        for piece in self._spoilt(list(self._cut(self.model.attempt))):
            self._say(step, self._holder, self.model.attempt, *piece)

    def _done(self, step: Step) -> None:
        """A result: with the output before it, beside it, or missing; true, or not; twice; and then another one."""
        rng, attempt = self.rng, self.model.attempt
        running = self.model.state == "running"
        if running and rng.random() < 0.5:
            for piece in self._cut(attempt, whole=True):
                self._say(step, self._holder, attempt, *piece)
        lie, inline = rng.random() < 0.15, rng.random() < 0.7
        said = self._said(rng.choice((0, 0, 7)), lie=lie, inline=inline)
        for _ in range(rng.choice((1, 1, 2))):
            self._ask_done(step, self._holder, attempt, said)
        if self.model.tries[attempt].result is not None and rng.random() < 0.3:
            self._ask_done(step, self._holder, attempt, self._said(_NOBODYS, inline=True))

    def _release(self, step: Step) -> None:
        why = self.rng.choice(("neverSpawned", "startedAhead", "declined", "handedBack", "dead"))
        self._ask_release(step, self._holder, self.model.attempt, why)

    def _repeat(self, step: Step) -> None:
        """A result that was taken comes again, from whomever, and another one in its place."""
        known = [(n, one.result) for n, one in self.model.tries.items() if one.result is not None]
        if not known:
            return self._late(step)
        attempt, said = self.rng.choice(known)
        self._ask_done(step, self.rng.choice(NAMES), attempt, said)
        self._ask_done(step, self._holder, attempt, self._said(_NOBODYS, inline=True))

    def _late(self, step: Step) -> None:
        """After the end."""
        rng, attempt = self.rng, self.model.attempt
        self._say(step, self._holder, attempt, rng.choice(STREAMS), self._end(attempt, "stdout"), self._poison())
        self._ask_start(step, self._holder, attempt)
        self._ask_release(step, self._holder, attempt, rng.choice(("neverSpawned", "handedBack", "dead")))

    def _finish(self, step: Step) -> None:
        """After all that its holder says what is true, and is believed."""
        state, attempt = self.model.state, self.model.attempt
        if state == "assigned":
            self._ask_start(step, self._holder, attempt)
        elif state == "running":
            for piece in self._cut(attempt, whole=True):
                self._say(step, self._holder, attempt, *piece)
            self._ask_done(step, self._holder, attempt, self._said(0))

    # What is wrong ------------------------------------------------------------------------------------------------

    def _noise(self, step: Step) -> None:
        rng, model = self.rng, self.model
        if model.state == "waiting" or rng.random() > _NOISE:
            return
        other = NAMES[NAMES[0] == self._holder]
        about = [(other, model.attempt)]
        about += [(name, model.attempt + rng.randint(3, 9)) for name in NAMES]
        about += [(name, n) for n in model.tries if n != model.attempt for name in NAMES]
        for _ in range(rng.randint(1, 3)):
            by, attempt = rng.choice(about)
            kind = rng.randrange(6)
            if kind < 3:
                stream = rng.choice(STREAMS)
                offset = max(0, self._end(attempt, stream) + rng.choice((0, 0, -3, 5, 1 << 40)))
                self._say(step, by, attempt, stream, offset, self._poison())
            elif kind == 3:
                self._ask_start(step, by, attempt)
            elif kind == 4:
                why = rng.choice(("neverSpawned", "startedAhead", "declined", "handedBack", "dead"))
                self._ask_release(step, by, attempt, why)
            else:
                self._ask_done(step, by, attempt, self._said(_NOBODYS, inline=True))
        if rng.random() < 0.1:
            nobodys = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            step.pieces.append(Piece(self._holder, nobodys, 1, "stdout", 0, self._poison(), 0, "stop", None))
            step.asked.append(Asked(self._holder, "start", {"jobId": nobodys, "attempt": 1}, "stop"))

    def _spoilt(self, pieces: list[tuple[str, int, bytes]]) -> list[tuple[str, int, bytes]]:
        """Doubled, dropped, swapped, overlapping what is stored with other bytes, beyond the end, or empty."""
        rng, attempt = self.rng, self.model.attempt
        for _ in range(rng.randint(0, 4)):
            kind, place = rng.randrange(6), rng.randrange(len(pieces) + 1)
            if kind == 0 and pieces:
                pieces.insert(place, rng.choice(pieces))
            elif kind == 1 and pieces:
                pieces.pop(rng.randrange(len(pieces)))
            elif kind == 2 and len(pieces) > 1:
                one, other = rng.sample(range(len(pieces)), 2)
                pieces[one], pieces[other] = pieces[other], pieces[one]
            elif kind == 3:
                stream = rng.choice(STREAMS)
                end = self._end(attempt, stream)
                back = rng.randint(0, end)
                more = self.truth(attempt, stream)[end : end + rng.randint(0, 50)]
                pieces.insert(place, (stream, end - back, bytes([POISON]) * back + more))
            elif kind == 4:
                stream = rng.choice(STREAMS)
                far = len(self.truth(attempt, stream)) + rng.choice((1, 1000, 1 << 50))
                pieces.insert(place, (stream, far, self._poison()))
            else:
                pieces.insert(place, (rng.choice(STREAMS), rng.choice((0, 7, 1 << 20)), b""))
        return pieces

    def _poison(self) -> bytes:
        return bytes([POISON]) * self.rng.choice((1, 30, 500))

    def _cut(self, attempt: int, *, whole: bool = False) -> Iterator[tuple[str, int, bytes]]:
        """What comes next of both streams, in pieces, in order; `whole`: up to their ends."""
        rng, ends = self.rng, {}
        for stream in STREAMS:
            here, last = self._end(attempt, stream), len(self.truth(attempt, stream))
            ends[stream] = here, last if whole else rng.randint(here, max(here, last))
        while ends:
            stream = rng.choice(tuple(ends))
            here, last = ends[stream]
            size = min(last - here, rng.choice((1, 20, 200, 5000)))
            if size <= 0:
                del ends[stream]
                continue
            yield stream, here, self.truth(attempt, stream)[here : here + size]
            ends[stream] = here + size, last

    def _said(self, exit_code: int, *, lie: bool = False, inline: bool = False) -> Said:
        attempt = self.model.attempt
        named, rest = {}, {}
        for stream in STREAMS:
            truth = self.truth(attempt, stream)
            of_all = digest(b"something else" if lie else truth)
            named[stream] = len(truth), of_all
            if inline:
                rest[stream] = truth[self._end(attempt, stream) :][-4096:]
        return Said(exit_code, named, rest)

    # Said, and given to the model ---------------------------------------------------------------------------------

    @property
    def _holder(self) -> str:
        return self.model.now.holder

    def _end(self, attempt: int, stream: str) -> int:
        one = self.model.tries.get(attempt)
        return 0 if one is None else len(one.streams[stream])

    def _say(self, step: Step, by: str, attempt: int, stream: str, offset: int, data: bytes) -> None:
        so = self.model.output(by, attempt, stream, offset, data)
        early = self.model.state == "assigned" and self.model.is_holder(by, attempt)
        tell = {"taken": "ok", "gap": "resend", "refused": "again" if early else "stop"}[so]
        ends = None if so == "refused" else self.model.tries[attempt].ends()
        seq = self.rng.randrange(1 << 30)
        step.pieces.append(Piece(by, self.job_id, attempt, stream, offset, data, seq, tell, ends))

    def _ask_start(self, step: Step, by: str, attempt: int) -> None:
        step.asked.append(Asked(by, "start", self._about(attempt), self.model.start(by, attempt)))

    def _ask_release(self, step: Step, by: str, attempt: int, why: str) -> None:
        tell = self.model.released(by, attempt, why)
        step.asked.append(Asked(by, "released", self._about(attempt) | {"why": why}, tell))

    def _ask_done(self, step: Step, by: str, attempt: int, said: Said) -> None:
        tell = self.model.done(by, attempt, said)
        output = {name: {"bytes": length, "digest": of_all} for name, (length, of_all) in said.named.items()}
        inline = {name: b64encode(data).decode() for name, data in said.inline.items() if data}
        item = self._about(attempt) | {"exitCode": said.exit_code, "output": output, "inline": inline}
        step.asked.append(Asked(by, "done", item, tell))

    def _about(self, attempt: int) -> dict[str, Any]:
        return {"jobId": self.job_id, "attempt": attempt}
