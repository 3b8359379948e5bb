"""Recorded histories are judged: those that are kept, each with a fault planted in it, and one that is made here.

Kept ones come from `tests/faults/campaign --join` (docs/contributing.md).
"""

import json
import lzma
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign import Report
from tests.support.cases.kinds import KINDS
from tests.support.cases.one import Outcome
from tests.support.cli import Result, run

HERE = Path(__file__).parent
KEPT = sorted((HERE / "histories").glob("*.jsonl.xz"))
MOST_BYTES = 5 << 20

Line = dict[str, Any]


def doctor(folder: Path, *histories: Path) -> Result:
    named = [word for history in histories for word in ("--history", str(history))]
    return run(folder / "doctor", ["doctor", "--verify", "--json", *named])


def told(result: Result) -> tuple[dict[str, list[Line]], Any]:
    """What was found by the rules that do not hold, and all that was said."""
    assert result.stdout, result.stderr
    said = json.loads(result.stdout)
    assert (result.code == 0) == said["ok"]
    return {rule["name"]: rule["found"] for rule in said["rules"] if not rule["ok"]}, said


def test_all_kept_histories_are_as_promised(tmp_path: Path) -> None:
    """Each fault has some."""
    wrong, said = told(doctor(tmp_path, *KEPT))
    assert wrong == {}
    assert said["jobs"] > said["cases"] > len(KEPT)
    assert {read(history)[0]["name"] for history in KEPT} == KINDS.keys()
    assert sum(history.stat().st_size for history in KEPT) <= MOST_BYTES


def kept(fault: str) -> list[Path]:
    return [one for one in KEPT if one.name == f"{fault}.jsonl.xz"]


def read(history: Path) -> list[Line]:
    """All of its records."""
    return [json.loads(line) for line in lzma.decompress(history.read_bytes()).splitlines()]


def lost(lines: Sequence[Line]) -> tuple[list[Line], str]:
    """A job that was acknowledged, and is stored no more."""
    job = next(line["job"] for line in lines if line["is"] == "job" and line["status"] == "completed")
    return [line for line in lines if (line["is"], line.get("job")) != ("job", job)], job


def doubled(lines: Sequence[Line]) -> tuple[list[Line], str]:
    """A job that ran once more, which nobody asked for."""
    place = next(place for place, line in enumerate(lines) if line["is"] == "wrote" and line["word"] == "end")
    job = lines[place]["job"]
    begin = next(line for line in lines if line["is"] == "wrote" and line["job"] == job)
    return [*lines[: place + 1], begin, *lines[place + 1 :]], job


def invented(lines: Sequence[Line]) -> tuple[list[Line], str]:
    """A job that nobody submitted."""
    place, one = next((place, line) for place, line in enumerate(lines) if line["is"] == "job" and line.get("ran"))
    job = one["job"][:-4] + "ffff"
    made = json.loads(json.dumps(one).replace(one["job"], job)) | {"name": "nobody/0"}
    return [*lines[:place], made, *lines[place:]], job


@pytest.mark.parametrize(("plant", "rule"), [(lost, "C1"), (doubled, "C5"), (invented, "C2")])
def test_a_copy_with_a_planted_fault_is_wrong(
    plant: Callable[[Sequence[Line]], tuple[list[Line], str]], rule: str, tmp_path: Path
) -> None:
    """The job is named by the rule for it."""
    (history,) = kept("T1")
    spoilt, job = plant(read(history))
    copy = tmp_path / "copy.jsonl"
    copy.write_text("".join(f"{json.dumps(line)}\n" for line in spoilt))
    result = doctor(tmp_path, copy)
    wrong, _ = told(result)
    assert result.code == 3
    assert job in {one["jobId"] for one in wrong[rule]}, wrong


def campaign(*words: str | Path) -> str:
    """What one says that ends well."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(150)
def test_a_campaign_goes_on_where_it_stopped_and_replays_its_cases(tmp_path: Path) -> None:
    """One case is done, with all of the kept history as its own; another was stopped while its line was written."""
    folder, joined, (history,) = tmp_path / "report", tmp_path / "joined.jsonl.xz", kept("T16")
    report = Report(folder, "T16", 7)
    shutil.copy(history, folder)
    before = Outcome("T16", 1, report.seed(1), 3.0, 320, 8, 0, 0, 0, history.name)
    report.add(before)
    with (folder / "results.jsonl").open("ab") as results:
        results.write(b'{"case":"T16","number":2,')
    words = (HERE / "campaign", "--case", "T16", "--seed", "7", "--lanes", "2", "--report", folder, "--join", joined)
    said = campaign(*words, "--count", "2")
    assert "T16: 1 cases are done, 1 to do" in said
    assert "2 cases, 360 jobs, 9 faults, 0 lost, 0 doubled, 0 wrong, 0 failed\n" in said
    done = report.results()
    assert (sorted(done), done[1]) == ([1, 2], before)
    wrong, judged = told(doctor(tmp_path, joined))
    assert (wrong, judged["jobs"]) == ({}, 360)
    said = campaign(HERE / "replay", folder, "--case", "2")
    assert "now   T16 2: well, 40 jobs, 1 faults, " in said
    assert f"seed {done[2].seed}, " in said
