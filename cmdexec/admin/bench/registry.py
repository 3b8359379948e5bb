"""Which workloads there are, and which processes of the bench's own help to measure them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    """`measure`: `module:function`, loaded when it is measured."""

    name: str
    title: str
    measure: str


_HERE = "cmdexec.admin.bench"

WORKLOADS: tuple[Workload, ...] = (
    Workload("W1", "throughput of short jobs", f"{_HERE}.w1_throughput:measure"),
    Workload("W2", "latency of a job on an idle system", f"{_HERE}.w2_latency:measure"),
    Workload("W3", "live output, followed and stored", f"{_HERE}.w3_output:measure"),
    Workload("W3b", "lag from print to screen", f"{_HERE}.w3_lag:measure"),
    Workload("W4", "a deep queue", f"{_HERE}.w4_depth:measure"),
    Workload("W5", "a fleet of idle workers", f"{_HERE}.w5_fleet:measure"),
    Workload("W6", "the API", f"{_HERE}.w6_api:measure"),
    Workload("W7", "start and memory", f"{_HERE}.w7_start:measure"),
    Workload("W9", "a far worker", f"{_HERE}.w9_far:measure"),
)

BY_NAME: dict[str, Workload] = {workload.name: workload for workload in WORKLOADS}

PARTS: dict[str, str] = {
    "callers": f"{_HERE}.part_callers:run",
    "fleet": f"{_HERE}.part_fleet:run",
    "relay": f"{_HERE}.part_relay:run",
    "stored": f"{_HERE}.part_stored:run",
}
"""Part → `module:function` of what its process does."""
