"""The format of a recorded history: JSON, a line for each thing that happened, in the order in which it was noticed.

A case begins with a `Case` and ends with an `End`, before which stands what the store said last. Times are seconds
since its beginning, on the wall clock of whoever recorded. Several cases may follow each other in one file, which may
be packed by gzip or xz.
"""

import gzip
import lzma
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import msgspec

from cmdexec.errors import CmdexecError

FORMAT = 1
LINE_MAX = 16 << 20
"""Bytes of a line: a job with the longest output that is recorded needs far fewer."""

_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"


class Record(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="is", gc=False):
    """The base of all lines; `is` says which one it is."""


class Case(Record, frozen=True, tag="case", kw_only=True):
    """The first line: `name` of the fault, `number` and `seed` of the case. `bound_sec`: how soon after the faults
    stopped all jobs must have ended; `began`: milliseconds since 1970."""

    name: str
    number: int
    seed: int
    began: int
    bound_sec: float
    format: int = FORMAT


class Call(Record, frozen=True, tag="call", kw_only=True):
    """A call that changes something.

    took    seconds until the answer, or until it was given up
    op      the operation, as `jobs.create`
    key     its Idempotency-Key
    names   those of the jobs that it submits, each of which no other job has
    jobs    the ids that it names, or that it was answered with
    of      the job of which `jobs.rerun` wants another
    status  of HTTP; None: silence, so it is not known whether it was done
    says    the code of a refusal, or a cancel's outcome
    """

    at: float
    op: str
    caller: str = ""
    took: float = 0.0
    key: str | None = None
    names: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    of: str | None = None
    status: int | None = None
    says: str | None = None


class Repeated(Record, frozen=True, tag="repeated", kw_only=True):
    """Something was asked for again, since its answers were lost, until one came.

    op       the operation, as `users.create`
    way      how it was asked for: http, or a frame of a worker or a person
    lost     how many answers were lost
    effects  how often it was done, by what was seen before, between and after
    anew     each answer gives something of its own, and who was told of none has nothing
    """

    at: float
    op: str
    way: str
    lost: int
    effects: int
    anew: bool = False


class Fault(Record, frozen=True, tag="fault"):
    """What was done to the system, in words."""

    at: float
    what: str


class Calm(Record, frozen=True, tag="calm"):
    """From here on nothing is done to it."""

    at: float


class Followed(Record, frozen=True, tag="followed"):
    """What somebody was shown of a stream while it was written; `digest`: the beginning of its SHA-256 (hex)."""

    job: str
    attempt: int
    stream: str
    bytes: int
    digest: str


class Wrote(Record, frozen=True, tag="wrote"):
    """A line of the ledger, which the jobs themselves write: in the order of the ledger.

    word  begin; mark: `lines` have been written to each stream; end: so have `lines`, and it ends with `exit`;
          overlap: another attempt still had what only one can have
    """

    job: str
    attempt: int
    word: str
    lines: int | None = None
    exit: int | None = None


class Stream(Record, frozen=True, tag="stream", kw_only=True):
    """What was read of a stream of an attempt, and what the job says of it (`said…`).

    runs    its numbered lines: [attempt, first, last] of each run that rises by one
    others  lines that are none of this job's
    rest    what stands behind the end of the last line
    """

    bytes: int
    digest: str
    runs: tuple[tuple[int, int, int], ...] = ()
    others: tuple[str, ...] = ()
    rest: str = ""
    said_bytes: int | None = None
    said_digest: str | None = None
    whole: bool | None = None


class Ran(Record, frozen=True, tag="ran", kw_only=True):
    """An attempt that began, as the job tells of it. `reason` None: it ended well, or has not ended."""

    attempt: int
    ended: bool
    ok: bool
    reason: str | None = None
    exit: int | None = None
    signal: int | None = None
    stdout: Stream | None = None
    stderr: Stream | None = None


class Stored(Record, frozen=True, tag="job", kw_only=True):
    """A job as the store had it in the end. `events`: event, status after it, attempt; `ended_at` as other times."""

    job: str
    name: str | None
    status: str
    attempt: int
    reason: str | None = None
    exit: int | None = None
    signal: int | None = None
    on_lost: str = "hold"
    max_retries: int = 0
    max_lost: int = 3
    rerun_of: str | None = None
    ended_at: float | None = None
    ran: tuple[Ran, ...] = ()
    events: tuple[tuple[str, str, int], ...] = ()


class End(Record, frozen=True, tag="end"):
    """The last line of a case. `counts`: how many jobs of each status the store counts, where it was asked."""

    at: float
    counts: dict[str, int] | None = None


Line = Case | Call | Repeated | Fault | Calm | Followed | Wrote | Stored | End
_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def read(path: Path) -> Iterator[Line]:
    """All lines of a file; the last is passed over if it was not written to its end.

    Raises CmdexecError(`bad_history`) where it cannot be read, or holds something else.
    """
    number = 0
    try:
        with _opened(path) as file:
            while data := file.readline(LINE_MAX):
                number += 1
                if data.endswith(b"\n"):
                    yield _DECODER.decode(data)
                elif len(data) == LINE_MAX:
                    raise bad(path, f"its line {number:,} is longer than {LINE_MAX:,} bytes")
    except msgspec.MsgspecError as wrong:
        raise bad(path, f"its line {number:,} is no record of one") from wrong
    except OSError as wrong:
        raise bad(path, (wrong.strerror or str(wrong)).rstrip(".")) from wrong
    except (EOFError, lzma.LZMAError) as wrong:
        raise bad(path, "it is packed, and damaged or not complete") from wrong


def _opened(path: Path) -> BufferedReader:
    with path.open("rb") as file:
        start = file.read(len(_XZ))
    if start.startswith(_GZIP):
        return BufferedReader(gzip.open(path, "rb"))
    return BufferedReader(lzma.open(path, "rb")) if start == _XZ else path.open("rb")


def bad(path: Path, why: str) -> CmdexecError:
    """What is raised of a file that is no history, or not all of one."""
    return CmdexecError(
        "bad_history", f"The history {path} cannot be judged: {why}.",
        mend="Name a file that the fault tests have recorded, whole.",
    )  # fmt: skip
