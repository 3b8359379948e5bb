"""A worker reports how an attempt ended. Ended means that its output is final (promise 5), so that is judged first.

What is stored, together with what comes with the report, is compared with the length and the digest that the worker
names for each stream:

- Less is stored: the job does not end. The worker is told from where to send again, and then to report again. An
  attempt that was assigned, unknown or given up as lost is taken up first, so that its output is taken again.
- Less, because the output limit was reached: it will never be more. The job ends, the stream is not whole, and the
  rest is among its lost ranges.
- More, or the same length with another digest: something is wrong that sending again cannot mend, since stored bytes
  are never changed and those who followed have seen them. The job ends, the stream is not whole, and the worker is
  told `output_differs`. Length and digest shown are those of what is stored.
- Other than it was when this was judged: output came meanwhile. It is judged again.
- The worker names no length: nobody can tell whether it is whole. No digest: it is judged by length alone.

The same report gives the same `Result` again: once a result is there, its own lengths and digests are the measure.
"""

from typing import Any

import msgspec

from cmdexec.model.ends import lost_run
from cmdexec.model.events import Ended, Event, Resume, Start
from cmdexec.model.job import Job, Reason, Result, Status, StreamEnd
from cmdexec.protocol.messages import Done, StreamDone, Told
from cmdexec.server.jobs.ask import Ask, Judged, Outcome
from cmdexec.server.jobs.holder import Holder, told
from cmdexec.server.jobs.measure import Measure
from cmdexec.store.contract.jobs_write import InlineOutput
from cmdexec.store.contract.output import STREAMS

_SAYS_NOTHING = "the worker did not say how it ended"
_HELD = frozenset({Status.ASSIGNED, Status.RUNNING, Status.UNKNOWN})
_REASONS = {str(reason): reason for reason in Reason}


class Report:
    """A `Done`, with the measure of what is stored, which grows as more passes. `limit`: bytes that a job may store."""

    __slots__ = ("_done", "_holder", "_limit", "_measure", "differs")

    def __init__(self, holder: Holder, done: Done, measure: Measure, limit: int) -> None:
        self._holder = holder
        self._done = done
        self._measure = measure
        self._limit = limit
        self.differs = False

    def against(self, job: Job) -> Judged:
        """What it means for the job as it stands."""
        done, holder = self._done, self._holder
        self.differs = False
        run = job.attempt_named(done.attempt)
        if run is not None and run.result is not None:
            kept = run.result
            return Judged((self._ended(self._settled("stdout", kept.stdout), self._settled("stderr", kept.stderr)),))
        lost = job.status not in _HELD and lost_run(job) is not None
        if done.attempt != job.attempt or holder.session != job.session or not (job.status in _HELD or lost):
            return Judged((self._ended(StreamEnd(), StreamEnd()),))
        take_up = self._take_up(job)
        measured = (self._measure.stdout, self._measure.stderr)
        pieces, short = self._pieces()
        if short:
            return Judged((take_up,), resend=measured)
        ends = [self._stored(stream, pieces.get(stream)) for stream in STREAMS]
        append = tuple(pieces.values())
        ended = self._ended(ends[0], ends[1])
        return Judged((take_up, ended) if lost else (ended,), append, measured)

    @property
    def _named(self) -> tuple[StreamDone, StreamDone]:
        return self._done.output.stdout, self._done.output.stderr

    def _take_up(self, job: Job) -> Event:
        kind = Start if job.status is Status.ASSIGNED else Resume
        return kind(self._holder.worker_id, self._holder.session, self._done.attempt, back=self._holder.back)

    def _pieces(self) -> tuple[dict[str, InlineOutput], bool]:
        """The inline output that is to be stored, and whether some is missing before it."""
        done = self._done
        pieces: dict[str, InlineOutput] = {}
        room = self._limit - self._measure.stdout - self._measure.stderr
        for stream, named in zip(STREAMS, self._named, strict=True):
            data: bytes = getattr(done.inline, stream)
            have: int = getattr(self._measure, stream)
            end = have + len(data) if named.bytes is None else named.bytes
            if end <= have:
                continue
            missing = end - len(data) - have
            if missing > 0 and end - have <= room:
                return {}, True
            if missing > 0:
                continue  # the limit stands in the way: it will never come
            new = data[-(end - have) :][: max(0, room)]
            if new:
                pieces[stream] = InlineOutput(stream, have, new)
                room -= len(new)
        return pieces, False

    def _stored(self, stream: str, piece: InlineOutput | None) -> StreamEnd:
        have: int = getattr(self._measure, stream)
        more = b"" if piece is None else piece.data
        return self._settled(stream, StreamEnd(bytes=have + len(more), digest=self._measure.digest(stream, more)))

    def _settled(self, stream: str, stored: StreamEnd) -> StreamEnd:
        """The end of a stream of which `stored` bytes with that digest are all that will ever be there."""
        named: StreamDone = getattr(self._done.output, stream)
        have = stored.bytes or 0
        lost = named.lost
        if named.bytes is not None and named.bytes > have:
            lost = (*lost, (have, named.bytes))
        if named.bytes is not None and named.bytes <= have:
            self.differs |= named.bytes < have or named.digest not in (None, stored.digest)
        whole: bool | None = None
        if lost or self._done.output_lost:
            whole = False
        elif named.bytes is not None:
            whole = named.bytes == have and named.digest in (None, stored.digest)
        return StreamEnd(bytes=have, digest=stored.digest, whole=whole, lost=lost)

    def _ended(self, stdout: StreamEnd, stderr: StreamEnd) -> Ended:
        done = self._done
        reason, exit_code, signal, message = done.reason, done.exit_code, done.signal, done.message
        how: dict[str, Any] = {"reason": None if reason is None else _REASONS[reason]}
        if reason is None and exit_code is None and signal is None:
            how["reason"], message = Reason.WORKER, message or _SAYS_NOTHING
        elif reason is None and signal is None and exit_code:
            how["reason"] = Reason.EXIT
        result = Result(
            **how, exit_code=None if signal is not None else exit_code, signal=signal, message=message,
            stdout=stdout, stderr=stderr, output_lost=done.output_lost, output_cut=done.output_cut,
            cpu_sec=done.cpu_sec, peak_rss_bytes=done.peak_rss_bytes, left=done.left, survivors=done.survivors,
        )  # fmt: skip
        return Ended(self._holder.worker_id, self._holder.session, done.attempt, result, back=self._holder.back)


def report(holder: Holder, done: Done, measure: Measure, limit: int) -> Ask:
    """It ended so."""
    return Ask(done.job_id, judge=Report(holder, done, measure, limit))


def reported(ask: Ask, done: Done, outcome: Outcome) -> Told:
    """`ok`: forget it. `resend`: output is missing. `stop`, with a code: refused for good, so forget it as well."""
    answer = told(done.job_id, done.attempt, outcome)
    if outcome.resend is not None and answer.tell in ("ok", "go"):
        stdout, stderr = outcome.resend
        return Told(
            job_id=done.job_id, attempt=done.attempt, tell="resend", stdout=stdout, stderr=stderr,
            code="output_missing", message="Output is missing: send it from these offsets, then the result again.",
        )  # fmt: skip
    if answer.tell == "ok" and isinstance(ask.judge, Report) and ask.judge.differs:
        return msgspec.structs.replace(
            answer, code="output_differs", message="The output that is stored is not what the worker says it sent."
        )
    return answer
