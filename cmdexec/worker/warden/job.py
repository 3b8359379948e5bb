"""One job's way from process to the proof that nothing of it is left."""

import os

from cmdexec.worker.warden import wire
from cmdexec.worker.warden.containment import Tree
from cmdexec.worker.warden.inside import last_words
from cmdexec.worker.warden.limits import Share

KILLED = -9
NEVER = float("inf")

_CHECK_FIRST_SEC = 0.001
_CHECK_LAST_SEC = 0.05


class Job:
    """A main process and its tree.

    Times are seconds of the monotonic clock. `code` is None while the main process is not reaped. `kill_at` is when the
    tree is killed if anything of it lives by then, `drain_at` the same for what outlives the main process; `killed_at`
    is when that began. `check_at` is when to look next whether it is gone: of most deaths in a tree the warden does not
    hear. `share` is what holds it to a limit, if any does, `words` the pipe for its last words then, and `oom` says why
    it was killed for memory; `lease_over`: it was killed since its worker's lease was over.
    """

    __slots__ = (
        "check_at", "code", "cpu_sec", "cut", "drain_at", "drained", "kill_at", "killed_at", "lease_over", "number",
        "oom", "peak_rss", "pid", "share", "timed_out", "tree", "wait_sec", "words",
    )  # fmt: skip

    def __init__(self, number: int, tree: Tree, pid: int) -> None:
        self.number = number
        self.tree = tree
        self.pid = pid
        self.code: int | None = None
        self.cpu_sec = 0.0
        self.peak_rss = 0
        self.kill_at = NEVER
        self.drain_at = NEVER
        self.killed_at = NEVER
        self.check_at = NEVER
        self.wait_sec = _CHECK_FIRST_SEC
        self.timed_out = False
        self.lease_over = False
        self.drained = False
        self.cut = False
        self.share: Share | None = None
        self.words = -1
        self.oom = ""

    @property
    def due(self) -> float:
        """When something is to be done about it."""
        return min(self.check_at, self.kill_at, self.drain_at)

    def charge(self, usage: "resource_usage") -> None:
        """Add what a reaped process of the tree used, those that it reaped itself included.

        A peak below the warden's own size is not seen: until exec the process shares its memory, which Linux counts.
        """
        self.cpu_sec += usage.ru_utime + usage.ru_stime
        self.peak_rss = max(self.peak_rss, usage.ru_maxrss * 1024)

    def look_again(self, now: float) -> None:
        """Look again soon, and less often the longer it takes."""
        self.check_at = now + self.wait_sec
        self.wait_sec = min(2 * self.wait_sec, _CHECK_LAST_SEC)

    def kill(self, now: float) -> None:
        """Begin to kill, or go on."""
        if self.killed_at == NEVER:
            self.cut = self.drain_at <= now and not self.drained
            self.killed_at = now
            self.kill_at = self.drain_at = NEVER
            self.wait_sec = _CHECK_FIRST_SEC
            self.loosen()
        self.tree.kill()
        self.look_again(now)

    def loosen(self) -> None:
        """From now on it is killed."""
        if self.share is not None:
            self.share.loosen()

    def ended(self, survivors: list[str]) -> wire.Message:
        """The answer that closes it."""
        if self.share is not None:
            self._count(self.share)
        return (
            wire.ENDED,
            self.number,
            KILLED if self.code is None else self.code,
            self.cpu_sec,
            self.peak_rss,
            len(survivors),
            survivors[:_SURVIVORS_NAMED],
            self.cut,
            self.timed_out,
            self.oom,
            self.lease_over,
        )

    def last_words(self) -> tuple[str, bool]:
        """Why it could not become its program (empty: it could), and whether for want of room on this machine."""
        if self.words < 0:
            return "", False
        said = last_words(self.words)
        os.close(self.words)
        self.words = -1
        return said

    def _count(self, share: Share) -> None:
        """What was counted of the whole tree stands instead of what was reaped."""
        self.cpu_sec, self.peak_rss = share.used(self.cpu_sec, self.peak_rss)
        self.oom = self.oom or share.verdict()


_SURVIVORS_NAMED = 20


class Timeouts:
    """Jobs whose time is bounded. `due` is when the first may be over; it may be earlier, and is never later."""

    def __init__(self) -> None:
        self.due = NEVER
        self._running: dict[int, tuple[float, float, Job]] = {}

    def add(self, job: Job, at: float, grace_sec: float) -> None:
        """Its time is over `at`; it may then take `grace_sec` to end."""
        self._running[job.number] = (at, grace_sec, job)
        self.due = min(self.due, at)

    def drop(self, job: Job) -> None:
        """Its main process has ended."""
        self._running.pop(job.number, None)

    def over(self, now: float) -> list[tuple[Job, float]]:
        """Those whose time is over, once, each with its grace."""
        found = [(job, grace_sec) for at, grace_sec, job in self._running.values() if at <= now]
        for job, _ in found:
            self.drop(job)
        self.due = min((at for at, _, _ in self._running.values()), default=NEVER)
        return found


TYPE_CHECKING = False
if TYPE_CHECKING:
    from resource import struct_rusage as resource_usage
