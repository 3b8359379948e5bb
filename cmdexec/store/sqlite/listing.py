"""Lists of jobs, by whichever index narrows them most; what no index knows is looked up row by row, up to a bound."""

import heapq
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from operator import itemgetter

import msgspec

from cmdexec.model.job import ENDED, Job, Reason, Spec, Status
from cmdexec.store.contract.listing import BadCursor, Filter, Page, PageWanted, brief
from cmdexec.store.sqlite.connection import Connection, Row
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.readers import Readers
from cmdexec.store.sqlite.rows import decode

_SQL = load("listing")

_NAME, _TAG = 0, 1
_MAX = 2**63 - 1
_LAST_CHARACTER = "\U0010ffff"
_COUNTED_MAX = 20_000
"""Jobs of some time, among which the first and last number are looked for. Numbers do not rise with time: clocks are
set."""

_LIVE = frozenset(Status) - ENDED
"""Of these there are few: what is in them is looked through whenever it was submitted."""

_OF_IDS = frozenset("0123456789abcdef-")

_CURSOR = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)

Words = list[tuple[str, int, str]]

Position = tuple[int, int]
"""When a job was submitted, and its number."""


class _CalledSpec(msgspec.Struct, frozen=True):
    name: str | None = None
    tags: tuple[str, ...] = ()


class _Peek(msgspec.Struct, frozen=True):
    """What filters ask of a job; the rest of it is passed over."""

    job_id: str
    owner: str
    spec: _CalledSpec
    worker_id: str | None = None
    reason: Reason | None = None


_peek = msgspec.msgpack.Decoder(_Peek).decode


def words(job: Job, job_ids: Sequence[str]) -> Words:
    """What jobs like this one are called, as the table `words` has it: (word, kind, job id)."""
    spec: Spec = job.spec
    if spec.name is None and not spec.tags:
        return []
    called = [] if spec.name is None else [(spec.name.casefold(), _NAME)]
    called += [(tag, _TAG) for tag in dict.fromkeys(tag.casefold() for tag in spec.tags)]
    return [(word, kind, job_id) for job_id in job_ids for word, kind in called]


def add_words(db: Connection, rows: Words) -> None:
    """Write down what jobs are called that have just been inserted."""
    if rows:
        db.run_each(_SQL["add_word"], rows)


class SqliteJobLists:
    """`cmdexec.store.contract.listing.JobLists`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def page(self, wanted: PageWanted) -> Page:
        after = _position(wanted.after)

        def read(db: Connection) -> Page:
            db.run("BEGIN")
            try:
                return _page(db, wanted, after)
            finally:
                db.roll_back()

        return await self._readers.run(read)


def _position(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None or max(int(found[1]), int(found[2])) > _MAX:
        raise BadCursor("no moment and number of a job")
    return int(found[1]), int(found[2])


def _cursor(row: Row) -> str:
    seq, _, created_at, _ = row
    return f"{created_at}-{seq}"


def _page(db: Connection, wanted: PageWanted, after: Position | None) -> Page:
    found: list[Job] = []
    looked = read = 0
    last: str | None = None
    fits = _Fits(wanted.which)
    with closing(_candidates(db, wanted, after, fits)) as rows:
        for row in rows:
            full = len(found) == wanted.limit
            if looked == wanted.scan or read > wanted.scan_bytes:
                return Page(tuple(found), last)
            looked += 1
            read += len(row[3])
            if fits(row):
                if full:
                    return Page(tuple(found), last)
                found.append(brief(decode(row[3])))
            if not full:
                last = _cursor(row)
    return Page(tuple(found), None)


class _Fits:
    """Whether a row is one of those that are wanted. What it is called is asked only if `looks_for` was told of it:
    `text`, that has to be the beginning, or of jobs with a number above `floor` any part."""

    def __init__(self, which: Filter) -> None:
        self._which = which
        self._tags = frozenset(tag.casefold() for tag in which.tags)
        self._text: str | None = None
        self._floor = 0
        self._peeks = bool(which.reasons or which.tags or which.worker or which.owner)

    def looks_for(self, text: str, floor: int) -> None:
        self._text, self._floor, self._peeks = text, floor, True

    def __call__(self, row: Row) -> bool:
        seq, status, created_at, doc = row
        which = self._which
        if which.statuses and status not in which.statuses:
            return False
        if which.since is not None and created_at < which.since:
            return False
        if which.until is not None and created_at >= which.until:
            return False
        return not self._peeks or self._is_such(_peek(doc), seq)

    def _is_such(self, job: _Peek, seq: int) -> bool:
        which, text = self._which, self._text
        if which.reasons and job.reason not in which.reasons:
            return False
        if which.owner is not None and job.owner != which.owner:
            return False
        if which.worker is not None and job.worker_id != which.worker:
            return False
        if which.tags and self._tags.isdisjoint(tag.casefold() for tag in job.spec.tags):
            return False
        if text is None:
            return True
        called = (job.job_id, *(one.casefold() for one in (job.spec.name or "", *job.spec.tags)))
        return any(one.startswith(text) or (seq > self._floor and text in one) for one in called)


def _candidates(db: Connection, wanted: PageWanted, after: Position | None, fits: _Fits) -> Generator[Row, None, None]:
    """Rows in the order of the page, by what narrows them most; `fits` has the last word."""
    which = wanted.which
    low, high = _between(wanted, after)
    timed = which.since is not None or which.until is not None
    way = "newest_first" if wanted.newest_first else "oldest_first"
    if which.begins is not None:
        text = which.begins.casefold()
        floor = _floor(db, wanted.newest)
        named = _named(db, text, floor, wanted.scan)
        if named is not None:
            numbers = sorted((seq for seq in named if low < seq < high), reverse=wanted.newest_first)
            yield from _rows(db, iter(numbers))
            return
        fits.looks_for(text, floor)
    if which.tags:
        sql = _SQL[f"{way}_tagged"]
        low, high = _within(db, which, low, high)
        tagged = [db.each(sql, (low, high, tag)) for tag in sorted({tag.casefold() for tag in which.tags})]
        yield from _rows(db, _each_once(_merged(tagged, wanted)))
        return
    statuses = which.statuses or (frozenset({Status.FAILED}) if which.reasons else frozenset())
    if statuses and (statuses <= _LIVE or not timed):
        sql = _SQL[f"{way}_of_status"]
        yield from _merged([db.each(sql, (low, high, status)) for status in sorted(statuses)], wanted)
        return
    if timed:
        start, end = which.since or 0, _MAX if which.until is None else which.until - 1
        edge = after or ((end, _MAX) if wanted.newest_first else (start, 0))
        start, end = (start, min(end, edge[0])) if wanted.newest_first else (max(start, edge[0]), end)
        yield from _merged([db.each(_SQL[f"{way}_within"], (start, end, *edge))], wanted)
        return
    yield from _merged([db.each(_SQL[way], (low, high))], wanted)


def _merged(sources: list[Generator[Row, None, None]], wanted: PageWanted) -> Generator[Row, None, None]:
    """The rows of all, which are in order, in order."""
    try:
        yield from heapq.merge(*sources, key=itemgetter(0), reverse=wanted.newest_first)
    finally:
        for source in sources:
            source.close()


def _each_once(rows: Generator[Row, None, None]) -> Iterator[int]:
    """The numbers in rows that are in order, those that come twice once."""
    last = None
    with closing(rows):
        for (seq,) in rows:
            if seq != last:
                yield seq
            last = seq


def _rows(db: Connection, numbers: Iterator[int]) -> Iterator[Row]:
    for seq in numbers:
        yield from db.rows(_SQL["by_seq"], (seq,))


def _between(wanted: PageWanted, after: Position | None) -> tuple[int, int]:
    """The numbers between which the jobs of the page are, neither of them one of theirs."""
    if after is None:
        return 0, _MAX
    return (0, after[1]) if wanted.newest_first else (after[1], _MAX)


def _within(db: Connection, which: Filter, low: int, high: int) -> tuple[int, int]:
    """The same, nearer to each other where few jobs are of the time that is wanted."""
    if which.since is None and which.until is None:
        return low, high
    moments = (which.since or 0, _MAX if which.until is None else which.until, _COUNTED_MAX + 1)
    ((first, last, count),) = db.rows(_SQL["within"], moments)
    if count > _COUNTED_MAX:
        return low, high
    return (max(low, first - 1), min(high, last + 1)) if count else (low, low)


def _floor(db: Connection, newest: int) -> int:
    """The number below those of the newest jobs."""
    ((last,),) = db.rows(_SQL["last"])
    return max(0, (last or 0) - newest)


def _named(db: Connection, text: str, floor: int, most: int) -> set[int] | None:
    """The numbers of all jobs whose name, id or tag begins with `text`, or of those above `floor` contains it. None if
    more than `most` begin so: then they are met wherever one looks."""
    found: set[int] = set()
    for query in ("words_beginning", "ids_beginning"):
        rows = db.rows(_SQL[query], (text, text + _LAST_CHARACTER, most + 1))
        if len(rows) > most:
            return None
        found.update(seq for (seq,) in rows)
    found.update(seq for (seq,) in db.each(_SQL["words_containing"], (floor, text)))
    first = db.row(_SQL["id_at"], (floor + 1,))
    if first is not None and set(text) <= _OF_IDS:
        found.update(seq for (seq,) in db.each(_SQL["ids_containing"], (*first, floor, text)))
    return found
