"""Recorded histories are judged: those that are kept, each with a fault planted in it, and one that is made here.

Kept ones come from `tests/faults/campaign --join` (docs/contributing.md).
"""

import json
import lzma
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from cmdexec.admin.doctor.recorded.verify import judge
from tests.faults.campaign import Report
from tests.faults.spoilt import PLANTS, Line, lost
from tests.support.cases.kinds import KINDS
from tests.support.cases.one import Outcome
from tests.support.cases.world import LEASE_SEC
from tests.support.cli import Result, run

HERE = Path(__file__).parent
KEPT = sorted((HERE / "histories").glob("*.jsonl.xz"))
MOST_BYTES = 5 << 20


def doctor(folder: Path, *histories: Path) -> Result:
    named = [word for history in histories for word in ("--history", str(history))]
    return run(folder / "doctor", ["doctor", "--verify", "--json", *named])


def told(result: Result) -> tuple[dict[str, list[Line]], Line]:
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


def happened(fault: str) -> set[str]:
    """What the jobs of its kept cases went through, and how calls ended."""
    (history,) = kept(fault)
    seen: set[str] = set()
    for line in read(history):
        if line["is"] == "job":
            seen |= {" ".join(event[:2]) for event in line["events"]}
            seen |= {f"ran {ran['reason']}" for ran in line.get("ran", ()) if ran.get("reason")}
        elif line["is"] == "call":
            seen.add(f"{line['op']} {line.get('says') or line.get('status', 'silence')}")
            seen |= {"a call waited"} if line.get("took", 0.0) > LEASE_SEC else set()
    return seen


@pytest.mark.parametrize(
    ("fault", "brings"),
    [
        ("T1", {"jobs.create silence"}),
        ("T2", {"dead failed", "ran worker"}),
        ("T6", {"lease_over unknown", "lease_over scheduled", "resume running", "ran lost"}),
        ("T7", {"lease_over unknown", "lease_over scheduled", "resume running", "ran lost"}),
        ("T8", {"a call waited"}),
        ("T11", {"jobs.create silence", "jobs.cancel silence"}),
        ("T16", {"jobs.cancel too_late", "jobs.cancel asked", "ran cancelled"}),
    ],
)
def test_each_fault_has_hurt_what_it_is_to_hurt(fault: str, brings: set[str]) -> None:
    assert brings <= happened(fault)


def kept(fault: str) -> list[Path]:
    return [one for one in KEPT if one.name == f"{fault}.jsonl.xz"]


def read(history: Path) -> list[Line]:
    """All of its records."""
    return [json.loads(line) for line in lzma.decompress(history.read_bytes()).splitlines()]


@pytest.mark.parametrize("rule", PLANTS)
def test_a_copy_with_a_planted_fault_is_wrong(rule: str, tmp_path: Path) -> None:
    """The job is named by the rule for it."""
    (history,) = kept("T1")
    spoilt, job = PLANTS[rule](read(history))
    copy = written(tmp_path / "copy.jsonl", spoilt)
    found = {one.name: [named for named, _ in one.told] for one in judge([copy]).found if one.wrong}
    assert job in found[rule], found


def test_a_person_is_told_of_a_planted_loss(tmp_path: Path) -> None:
    (history,) = kept("T1")
    spoilt, job = lost(read(history))
    result = doctor(tmp_path, written(tmp_path / "copy.jsonl", spoilt))
    wrong, _ = told(result)
    assert result.code == 3
    assert job in {one["jobId"] for one in wrong["C1"]}, wrong


def written(path: Path, lines: Sequence[Line]) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


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
