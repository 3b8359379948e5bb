"""What is stored of the jobs, compared with what the sequences say must be: status, attempts, results, each byte."""

from collections.abc import Sequence
from pathlib import Path

from cmdexec.model.job import Job
from cmdexec.runtime import system_runtime
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.contract.output import OutputRow
from cmdexec.store.sqlite.inspection import inspect_sqlite
from tests.support.frames.job import STREAMS, digest
from tests.support.frames.script import POISON, Case

_AT_ONCE = 500
_MOST_BYTES = 1 << 20


async def judge(data: Path, cases: Sequence[Case]) -> None:
    """Fail with the story of the first that is not stored as it must be."""
    runtime = system_runtime("judge", 2)
    try:
        store = inspect_sqlite(data, runtime)
        try:
            for at in range(0, len(cases), _AT_ONCE):
                part = cases[at : at + _AT_ONCE]
                jobs = await store.jobs.get([case.job_id for case in part])
                rows = await store.output.rows([key for case in part for key in _keys(case)])
                found = iter(rows)
                for case, job in zip(part, jobs, strict=True):
                    own = [(number, next(found)) for _, number in _keys(case)]
                    wrong = [*_wrong(case, job), *await _wrong_output(case, own, store)]
                    assert not wrong, "\n".join([f"seed {case.seed}, {case.job_id}:", *wrong, case.story()])
        finally:
            await store.close()
    finally:
        runtime.threads.close()


def _wrong(case: Case, job: Job | None) -> list[str]:
    model = case.model
    if job is None:
        return ["it is not there"]
    told, must = (str(job.status), job.attempt), (model.status, model.attempt)
    wrong = [] if told == must else [f"it is {told}, and must be {must}"]
    results = {one.number: one.result for one in job.attempts if one.result is not None}
    meant = {n: one for n, one in model.tries.items() if one.result is not None}
    if set(results) != set(meant):
        wrong.append(f"attempts {sorted(results)} have results, and {sorted(meant)} must")
        return wrong
    for number, one in meant.items():
        result = results[number]
        assert one.result is not None
        if result.exit_code != one.result.exit_code:
            wrong.append(f"attempt {number} has exit code {result.exit_code}, and must have {one.result.exit_code}")
        for stream, end in zip(STREAMS, (result.stdout, result.stderr), strict=True):
            here = (end.bytes, end.digest, end.whole)
            there = (len(one.streams[stream]), digest(one.streams[stream]), one.whole[stream])
            if here != there:
                wrong.append(f"{stream} of attempt {number} ended with {here}, and must with {there}")
    return wrong


def _keys(case: Case) -> list[tuple[str, int]]:
    """All attempts that anybody spoke of."""
    return [(case.job_id, number) for number in range(1, case.model.attempt + 10)]


async def _wrong_output(case: Case, rows: list[tuple[int, OutputRow | None]], store: Inspection) -> list[str]:
    wrong = []
    for number, row in rows:
        one = case.model.tries.get(number)
        if (row is not None) != (one is not None and one.has_row):
            wrong.append(f"attempt {number} {'has' if row else 'lacks'} a place for its output")
        if row is None or one is None:
            continue
        if row.open or row.session != f"spool-{one.holder}":
            wrong.append(f"output of attempt {number} is {row}")
        for stream in STREAMS:
            data = await store.output.read(case.job_id, number, stream, 0, _MOST_BYTES) if row.end(stream) else b""
            if data != one.streams[stream] or row.end(stream) != len(data):
                poison = ", poison among them" if POISON in data else ""
                must = f"counted as {row.end(stream)}, and must be {len(one.streams[stream])}"
                wrong.append(f"{stream} of attempt {number} is {len(data)} bytes{poison}, {must}")
    return wrong
