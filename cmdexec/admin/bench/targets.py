"""What is expected of each figure. The numbers are those of the table in docs/benchmarks.md; a test compares them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """What one figure of a workload has to reach.

    says      the figure in a few words
    judged    `ratio`: what is compared is the figure's ratio to its floor; `value`: the figure itself
    must, aim None: nothing is said
    at_most   smaller is better
    digits    decimals that people are shown
    """

    says: str
    must: float | None
    aim: float | None = None
    at_most: bool = True
    judged: Literal["ratio", "value"] = "value"
    digits: int = 2

    def met(self, judged: float) -> bool:
        """Whether that is as it must be."""
        if self.must is None:
            return True
        return judged <= self.must if self.at_most else judged >= self.must


TARGETS: dict[str, dict[str, Target]] = {
    "W1": {
        "throughput": Target("jobs a second, to the floor", 0.45, 0.60, at_most=False, judged="ratio"),
        "cpu": Target("CPU of server + worker, to the job's own", 1.2, 0.8, judged="ratio"),
    },
    "W2": {
        "p50": Target("median, to the floor's spawn", 6, 4, judged="ratio", digits=1),
        "p99": Target("99th percentile, to the floor's spawn", 12, 7, judged="ratio", digits=1),
    },
    "W3": {
        "rate": Target("rate, to that of a bare pipe", 0.04, 0.10, at_most=False, judged="ratio", digits=3),
        "lost": Target("bytes lost or wrong", 0, digits=0),
        "server_growth": Target("server's peak RSS at 1 GB beyond that at 10 MB", 20, digits=1),
        "worker_growth": Target("worker's peak RSS at 1 GB beyond that at 10 MB", 20, digits=1),
    },
    "W3b": {
        "p50": Target("median", 5, 2),
        "p99": Target("99th percentile", 30, 10),
    },
    "W4": {
        "deep": Target("submit rate when deep, to that at 0", 0.9, at_most=False, judged="ratio"),
        "submit": Target("submit rate, to unsynced inserts", 0.35, 0.70, at_most=False, judged="ratio"),
        "claim": Target("claim when deep, to that at 100", 1.2, judged="ratio"),
        "claim_behind": Target("claim behind unmatched jobs, to that at 100", 1.2, judged="ratio"),
        "growth": Target("growth of the server's RSS", 20, digits=1),
        "drain": Target("drain, to own W1", 0.9, at_most=False, judged="ratio"),
    },
    "W5": {
        "cpu": Target("part of a core", 15, digits=1),
        "memory": Target("server's memory for each worker", 60, digits=1),
    },
    "W6": {
        "status_p99": Target("status, 99th percentile", 10),
        "list": Target("list, 99th percentile", 50),
    },
    "W7": {
        "version": Target("cmdexec --version", 0.2, 0.1, digits=3),
        "serve": Target("cmdexec serve to the first healthy answer", 0.8, 0.3, digits=3),
        "server_idle": Target("idle server", 60, 48, digits=1),
        "worker_idle": Target("idle worker with warden", 45, 36, digits=1),
    },
    "W9": {
        "far": Target("far worker, to a near one", 0.8, at_most=False, judged="ratio"),
    },
}
"""Workload → figure → target. The first figure of each is the one that its line is about."""
