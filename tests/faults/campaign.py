"""The long run of fault tests, behind `tests/faults/campaign` and `tests/faults/replay`.

Cases of one fault, in lanes side by side, each in a process of its own. A report is a folder: `report.json` (which
fault, which seed), `results.jsonl` (a line a case, written when it is over), and the history of each case. A second
call with the same folder goes on where the first one stopped; with a larger --count it adds cases.
"""

import argparse
import lzma
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from tests.support.cases.homes import HOMES
from tests.support.cases.kinds import KINDS
from tests.support.cases.one import Outcome, run_one

SEEDS_APART = 1_000_000
"""How far the seeds of two campaigns are apart, at least, so that their cases differ."""

CASE_SEC, MORE_LEASES = 180.0, 8
"""After which a case is ended: it hangs. With a longer lease so many times that lease later."""

WRONG = 3


class Report:
    """The folder of a campaign. Raises SystemExit with a sentence where it is another one's."""

    def __init__(
        self,
        folder: Path,
        case: str | None = None,
        seed: int | None = None,
        lease_sec: float | None = None,
        store: str = "sqlite",
    ) -> None:
        self.folder = folder
        self._head, self._results = folder / "report.json", folder / "results.jsonl"
        if not self._head.exists():
            if case is None:
                sys.exit(f"{folder} is no report of a campaign: it has no {self._head.name}.")
            folder.mkdir(parents=True, exist_ok=True)
            head = {"case": case, "seed": seed, "lease": lease_sec, "store": store}
            self._head.write_bytes(msgspec.json.encode(head))
        head = msgspec.json.decode(self._head.read_bytes())
        self.case: str = head["case"]
        self._seed: int = head["seed"]
        self.lease_sec: float | None = head.get("lease")
        self.store: str = head.get("store", "sqlite")
        if case is not None and (case, seed, lease_sec, store) != (self.case, self._seed, self.lease_sec, self.store):
            lease = f" and a lease of {self.lease_sec:g} s" if self.lease_sec else ""
            theirs = f"{self.case} with seed {self._seed} on {self.store}{lease}"
            sys.exit(f"{folder} is the report of {theirs}. Name another folder.")

    def seed(self, number: int) -> int:
        """That of a case."""
        return self._seed * SEEDS_APART + number

    def results(self) -> dict[int, Outcome]:
        """By the case's number. A line that was not written to its end is cut off."""
        if not self._results.exists():
            return {}
        data = self._results.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            self._results.write_bytes(whole)
        outcomes = [msgspec.json.decode(line, type=Outcome) for line in whole.splitlines()]
        return {one.number: one for one in outcomes}

    def add(self, outcome: Outcome) -> None:
        """One more line, flushed to disk."""
        with self._results.open("ab") as file:
            file.write(msgspec.json.encode(outcome) + b"\n")
            file.flush()
            os.fsync(file.fileno())


class Lanes:
    """Runs cases side by side. Whoever stops it ends those that run, and waits until they have cleaned up."""

    def __init__(self, report: Report, numbers: Sequence[int]) -> None:
        self._report = report
        self._todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in numbers:
            self._todo.put(number)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, lanes: int) -> None:
        threads = [threading.Thread(target=self._lane) for _ in range(lanes)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            with self._lock:
                self._stopped = True
                for process in self._running:
                    process.send_signal(signal.SIGINT)
            for thread in threads:
                thread.join()

    def _lane(self) -> None:
        while not self._stopped:
            try:
                number = self._todo.get_nowait()
            except queue.Empty:
                return
            outcome = self._one(number)
            with self._lock:
                if not self._stopped:
                    self._report.add(outcome)
                    print(told(outcome), flush=True)

    def _one(self, number: int) -> Outcome:
        case, seed, folder = self._report.case, self._report.seed(number), self._report.folder
        words = [
            sys.executable, "-m", "tests.support.cases.one", case, str(number), str(seed), str(folder),
            self._report.store,
        ]  # fmt: skip
        lease_sec = self._report.lease_sec
        if lease_sec is not None:
            words.append(str(lease_sec))
        with self._lock:
            process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                start_new_session=True,  # Ctrl-C reaches it once, by us, and leaves it time to clean up
            )  # fmt: skip
            self._running.add(process)
            if self._stopped:
                process.send_signal(signal.SIGINT)
        try:
            said = _said(process, CASE_SEC + MORE_LEASES * (lease_sec or 0.0))
        finally:
            with self._lock:
                self._running.discard(process)
        try:
            return msgspec.json.decode(said.rstrip().rpartition("\n")[2], type=Outcome)
        except msgspec.MsgspecError:
            how = f"it ended with {process.returncode} and no outcome: {said[-3000:]}"
            return Outcome(case, number, seed, 0.0, 0, 0, 0, 0, 0, "", failed=how)


def _said(process: "subprocess.Popen[str]", within: float) -> str:
    """All that it wrote. One that hangs is interrupted, so that it cleans up; then killed."""
    with suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=within)[0]
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=30)[0]
    process.kill()
    return process.communicate()[0]


def told(outcome: Outcome) -> str:
    """A line of it, and what is wrong below that."""
    how = "well" if outcome.well else "WRONG"
    head = f"{outcome.case} {outcome.number}: {how}, {outcome.jobs} jobs, {outcome.faults} faults, {outcome.seconds} s"
    failed = outcome.failed.rstrip().splitlines()[-1:] if outcome.failed else []
    return "\n   ".join([head, *outcome.found, *failed])


def summed(outcomes: Sequence[Outcome]) -> str:
    """What came of all."""
    counts: dict[str, int] = {"cases": len(outcomes)}
    for name in ("jobs", "faults", "lost", "doubled", "wrong"):
        counts[name] = sum(getattr(one, name) for one in outcomes)
    counts["failed"] = sum(one.failed is not None for one in outcomes)
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def joined(report: Report, into: Path) -> None:
    """All histories of a report, in one packed file: much smaller than they are one by one."""
    with lzma.open(into, "wb", preset=9) as packed:
        for _, outcome in sorted(report.results().items()):
            if not outcome.history:  # it ended without one, and the campaign says so
                continue
            packed.write(lzma.decompress((report.folder / outcome.history).read_bytes()))
    print(f"{into}: {into.stat().st_size:,} bytes")


def replayed(report: Report, number: int) -> int:
    before = report.results().get(number)
    if before is not None:
        print(f"then  {told(before)}")
    again = report.folder / "replayed"
    again.mkdir(exist_ok=True)
    outcome = run_one(KINDS[report.case], number, report.seed(number), again, report.lease_sec, report.store)
    print(f"now   {told(outcome)}\n      seed {outcome.seed}, {again / outcome.history}")
    if outcome.failed:
        print(outcome.failed)
    return 0 if outcome.well else WRONG


def asked(words: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser(prog="tests/faults/campaign", description=__doc__, allow_abbrev=False)
    parser.add_argument("--from", dest="here", type=Path, default=Path(), help=argparse.SUPPRESS)
    parser.add_argument("--case", help="the fault, as --list names it; with --replay the number of the case")
    parser.add_argument("--count", type=int, default=10, help="how many cases there are to be in the end")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lease", type=float, metavar="SEC", help="LEASE_SEC, instead of the case's own")
    parser.add_argument("--store", choices=HOMES, default="sqlite", help="where jobs are, unless the case says where")
    parser.add_argument("--lanes", type=int, default=1, help="how many run side by side")
    parser.add_argument("--report", type=Path, help="the folder of the report")
    parser.add_argument("--join", type=Path, metavar="FILE", help="put all histories into this file in the end (xz)")
    parser.add_argument("--replay", type=Path, metavar="REPORT", help="run one case of a report again")
    parser.add_argument("--list", action="store_true", help="name all faults")
    given = parser.parse_args(words)
    if given.list:
        return given
    if given.replay is not None:
        if not (given.case or "").isdigit():
            parser.error("--case names the number of the case to run again.")
    elif given.report is None or given.case not in KINDS:
        parser.error(f"--report names a folder, and --case one of {', '.join(KINDS)}.")
    return given


def main(words: Sequence[str]) -> int:
    given = asked(words)
    if given.list:
        print("\n".join(f"{kind.name:4} {kind.says}" for kind in KINDS.values()))
        return 0
    if given.replay is not None:
        return replayed(Report(given.here / given.replay), int(given.case))
    report = Report(given.here / given.report, given.case, given.seed, given.lease, given.store)
    done = report.results()
    todo = [number for number in range(1, given.count + 1) if number not in done]
    print(f"{given.case}: {len(done)} cases are done, {len(todo)} to do", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    Lanes(report, todo).run(given.lanes)
    done = report.results()
    outcomes = list(done.values())
    print(summed(outcomes))
    undone = [number for number in todo if number not in done]
    if undone:
        print(f"{len(undone)} cases came to no outcome: {undone[:20]}")
    if given.join is not None:
        joined(report, given.here / given.join)
    return 0 if not undone and all(one.well for one in outcomes) else WRONG


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped; the same again goes on")
