"""Half an hour of short jobs, without a pause: memory must not grow by the hour, and nothing may be left over.

    python -m tests.load.slope --minutes 30 --report DIR

The resident memory of server, worker and warden is looked at each second (`rss.jsonl` in DIR); from a sixth of the time
on, which is minute 5 of 30, it may not grow by 1 MB an hour (least squares). Descriptors and tasks are compared while
all are idle, before and after. It ends with 0 when that holds and each job ran once and wrote what it had to.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.load.short_jobs import SLOTS, ShortJobs
from tests.load.standing import Idle, Three
from tests.support.api import Api
from tests.support.system import Server, Worker, ends

MB = 1e6
MOST_MB_AN_HOUR = 1.0
WARM_UP = 300
WRONG = 3
_LOOK_SEC = 1.0
_SETTLED = 1 / 6
"""The share of the time that is not judged."""

Sample = tuple[float, dict[str, int]]


@dataclass(frozen=True)
class Outcome:
    """`slopes`: of each process in MB an hour, with the standard error; `first`, `last`: resident MB."""

    minutes: float
    jobs: int
    wrong: int
    first: dict[str, float]
    last: dict[str, float]
    slopes: dict[str, tuple[float, float]]
    before: Idle
    after: Idle

    @property
    def faults(self) -> list[str]:
        """Empty when all is well."""
        told = [f"{self.wrong} jobs did not end as they had to"] if self.wrong else []
        told += [
            f"the {name} grows by {slope:.2f} MB an hour" for name, (slope, _) in self.slopes.items()
            if slope >= MOST_MB_AN_HOUR
        ]  # fmt: skip
        return told if self.before == self.after else [*told, f"idle before: {self.before}\nidle after: {self.after}"]


class Looking:
    """Samples while the block runs."""

    def __init__(self, three: Three, into: Path) -> None:
        self.samples: list[Sample] = []
        self._three = three
        self._into = into
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Looking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        began = time.monotonic()
        with self._into.open("w", buffering=1) as file:
            while not self._stop.wait(_LOOK_SEC):
                self.samples.append((round(time.monotonic() - began, 3), self._three.rss()))
                file.write(json.dumps(self.samples[-1]) + "\n")


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """MB an hour, of seconds and bytes, by least squares; and its standard error, as if all looks were independent."""
    hours, sizes = [at / 3600 for at, _ in points], [size / MB for _, size in points]
    line = statistics.linear_regression(hours, sizes)
    spread = sum((hour - statistics.fmean(hours)) ** 2 for hour in hours)
    off = sum((size - line.intercept - line.slope * hour) ** 2 for hour, size in zip(hours, sizes, strict=True))
    return line.slope, (off / (len(points) - 2) / spread) ** 0.5


def judged(samples: Sequence[Sample], minutes: float, load: ShortJobs, before: Idle, after: Idle) -> Outcome:
    """What came of it. Raises AssertionError where there are too few looks for a slope."""
    late = [one for one in samples if one[0] >= minutes * 60 * _SETTLED]
    assert len(late) > 2, "too short: there is nothing to draw a line through"
    names = late[0][1]
    first, last = ({name: sample[1][name] / MB for name in names} for sample in (late[0], late[-1]))
    slopes = {name: slope([(at, rss[name]) for at, rss in late]) for name in names}
    return Outcome(minutes, load.done, len(load.wrong), first, last, slopes, before, after)


def measured(folder: Path, minutes: float, report: Path) -> Outcome:
    """Run it, with all settings as they are shipped."""
    server = Server(folder).start()
    worker = Worker(server, "w", slots=SLOTS)
    with ends(server, worker):
        api: Api = server.api()
        worker.start(api)
        three = Three(server, worker)
        ShortJobs(api, WARM_UP).warm_up()
        before = three.idle()
        load, end = ShortJobs(api), time.monotonic() + minutes * 60
        with Looking(three, report / "rss.jsonl") as looking:
            load.run(lambda: time.monotonic() < end)
        outcome = judged(looking.samples, minutes, load, before, three.idle())
        (report / "outcome.json").write_text(json.dumps(asdict(outcome) | {"faults": outcome.faults}, indent=1))
        print(told(outcome), flush=True)
        worker.stop()
        server.stop()
    return outcome


def told(outcome: Outcome) -> str:
    lines = [f"{outcome.jobs:,} jobs in {outcome.minutes:g} minutes, {outcome.wrong} of them wrong"]
    lines += [
        f"{name:7} {outcome.first[name]:6.1f} MB … {outcome.last[name]:6.1f} MB  {slope:+6.2f} ± {error:.2f} MB an hour"
        f"  {outcome.before.descriptors[name]} descriptors before, {outcome.after.descriptors[name]} after"
        for name, (slope, error) in outcome.slopes.items()
    ]
    lines += [f"{name:7} tasks before and after: {tasks}" for name, tasks in outcome.after.tasks.items()]
    return "\n".join([*lines, *outcome.faults])


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.slope", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--report", type=Path, required=True, help="a folder for what was measured")
    parser.add_argument("--dir", type=Path, help="where the data folders are made, on the disk that counts")
    given = parser.parse_args(words)
    given.report.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cmdexec-slope-", dir=given.dir) as folder:
        return WRONG if measured(Path(folder), given.minutes, given.report).faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
