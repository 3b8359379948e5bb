"""What the runner asks of an executor, and what it is told in return.

An executor never decides about a job: it starts what it is ordered, passes bytes on, ends a tree when asked, and proves
that nothing is left. Every call returns at once; what happens is told to the order's `Sink`, on the event loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Stream = Literal["stdout", "stderr"]

LAST_BYTES = 20 * 1024
"""How much of the end of a stream is enough to find it again: more than the 16 KiB that engines keep back of a line."""


@dataclass(frozen=True, slots=True)
class Container:
    """As `model.job.Container`."""

    image: str
    network: Literal["none", "bridge"] = "none"
    pull: Literal["missing", "always", "never"] = "missing"
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is certain to be stored of a stream: its length, and its last bytes (LAST_BYTES at most)."""

    end: int = 0
    last: bytes = b""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run. `key` names the attempt (`<jobId>.<attempt>`) and is unique in the life of an executor.

    `argv` is never empty; its first item is looked up in the PATH of `env`, which is the whole environment of the
    process. `cwd` must exist. A main process that runs for `timeout_sec` is ended with its tree: TERM, and KILL after
    `kill_grace_sec`. The tree gets at most `cpu` cores and `ram_mb` MB (2^20 bytes) of memory. `stdin` is what its
    standard input holds; the null device without. `container`: what it runs in, None: the machine itself. A `leased`
    tree is killed when what `renewed` said last is over.
    """

    key: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    timeout_sec: float | None = None
    kill_grace_sec: float = 0.0
    cpu: float | None = None
    ram_mb: int | None = None
    stdin: bytes = field(default=b"", repr=False)
    container: Container | None = None
    leased: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """How an order ended. Exactly one of `exit_code`, `signal`, `start_error`, `image_error`, `executor_lost` and
    `gone` is set.

    start_error    why no process could be made, as a sentence ("no such program: frob")
    image_error    which image could not be had for its container, and why ("tool:1: no such image")
    machine_fault  beside start_error: the machine had no room for it (processes, open files, memory), nothing is wrong
                   with the order itself; no process was made, so it may be started elsewhere, or here later
    engine_fault   beside machine_fault: its container engine did not do its part; other orders for it wait for a while
                   by themselves, those for the machine itself need not
    withdrawn      beside start_error: it was stopped before any process was made of it: as if it had not been ordered
    executor_lost  what runs it died: the tree was killed with it, how the main process ended is not known
    lost_why       beside executor_lost: what died, as a sentence, where it was not the warden
    gone           of an order that was to be taken up: why there is nothing to take up, as a sentence
    oom            why the tree, or a process of it, was killed for memory, as a sentence; beside what the main process
                   came to
    timed_out      the main process did not end by itself within the order's time, and was ended for that; it may have
                   had an exit code to give
    lease_over     it was killed for that: somebody else may run it from now on
    cpu_sec        user and system time: of the whole tree where a cgroup counted it, else as far as it was reaped
    peak_rss_bytes the most memory: of the whole tree where a cgroup counted it (with its file cache), or where it was
                   watched (the sum of what was resident), else the largest resident set of one process of it
    left           processes of the tree still alive after the kill deadline (0 is the proof that nothing is left)
    survivors      these, each as "pid 123 (name)"
    output_cut     a background child held the pipe open past the drain time, so its output ends here
    output_lost    output that it wrote is missing among what was passed on
    """

    exit_code: int | None = None
    signal: int | None = None
    start_error: str | None = None
    image_error: str | None = None
    machine_fault: bool = False
    engine_fault: bool = False
    withdrawn: bool = False
    executor_lost: bool = False
    lost_why: str | None = None
    gone: str | None = None
    oom: str | None = None
    timed_out: bool = False
    lease_over: bool = False
    cpu_sec: float = 0.0
    peak_rss_bytes: int = 0
    left: int = 0
    survivors: tuple[str, ...] = ()
    output_cut: bool = False
    output_lost: bool = False


class Sink(Protocol):
    """Where an order's news goes: `told_phase` any number of times before `started`, that at most once, `output` any
    number of times, `ended` once, and last."""

    def told_phase(self, words: str) -> None:
        """What is being done before it can be started ("pulling its image, 40 %")."""
        ...

    def started(self, pid: int) -> None:
        """`pid` is 0 where nobody knows one."""
        ...

    def goes_on(self, stream: Stream, offset: int, *, gap: bool) -> None:
        """The next output of this stream is what comes at this offset: what an earlier process passed on does not come
        again. `gap`: some that came before it is lost, nobody knows how much."""
        ...

    def output(self, stream: Stream, data: bytes) -> None: ...

    def ended(self, end: End) -> None: ...


class Executor(Protocol):
    """One way to run jobs."""

    async def open(self) -> None:
        """Get ready. Raises CmdexecError with a mend when this machine cannot run jobs this way."""
        ...

    def start(self, orders: Sequence[tuple[Order, Sink]]) -> None:
        """Make a process for each order, as one batch."""
        ...

    def stop(self, key: str, grace_sec: float) -> None:
        """TERM to the whole tree, after `grace_sec` KILL until none is left. Again with a shorter grace: the shorter
        counts. Unknown or ended keys are ignored."""
        ...

    def withdraw(self) -> None:
        """Make no process of orders that are not on their way yet, such as while they wait for a new warden."""
        ...

    def renewed(self, until: float) -> None:
        """Leased trees may live until then (seconds of the clock that counts suspended time): what is said last counts,
        also where it is sooner. That is kept without this process, so it holds while this one is stopped. Said before
        the first leased order is started."""
        ...

    def pause(self, key: str) -> None:
        """Read no more of the order's output until `resume`; its pipe fills and the process waits."""
        ...

    def resume(self, key: str) -> None: ...

    async def close(self) -> None:
        """Kill every tree, tell every sink, and end. Doing it twice is fine."""
        ...
