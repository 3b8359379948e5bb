"""Limits by cgroups of version 2, against a recorded tree: plain files in a temporary folder stand for the kernel's.

What is held here is which files are written with what, in which order, and what is made of what the kernel says in
them. That a real kernel then does as it says is not shown by these tests. At the end: what is taken where cgroups lack
something.
"""

import errno
import os
from pathlib import Path

import pytest

from cmdexec.worker.warden import cgroup, holds
from cmdexec.worker.warden.descent import DescentContainment
from cmdexec.worker.warden.limits import Part
from cmdexec.worker.warden.slots import CgroupContainment
from cmdexec.worker.warden.unified import Unified
from cmdexec.worker.warden.watched import Watched

MB = 1 << 20
OF_A_GROUP = {
    "cgroup.controllers": "", "cgroup.events": "populated 0\nfrozen 0\n", "cgroup.kill": "", "cgroup.procs": "",
    "cgroup.subtree_control": "", "cgroup.type": "domain\n", "cpu.max": "max 100000\n", "memory.events": "",
    "memory.events.local": "", "cpu.stat": "usage_usec 0\n", "memory.max": "max\n", "memory.oom.group": "0\n",
    "memory.swap.max": "max\n",
}  # fmt: skip
"""Files of each group below the root (Linux 6.1, with cpu and memory delegated)."""
EVENTS = "low 0\nhigh 0\nmax 21\noom {}\noom_kill {}\noom_group_kill 0\n"


class RecordedTree:
    """A delegated group; groups made in it have their files at once, as if the kernel had made them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parent = folder / "unit"
        self.written: list[tuple[str, str]] = []
        self._make, self._remove, self._write = os.mkdir, os.rmdir, cgroup.write
        self.parent.mkdir()
        self.fill(self.parent)
        self.set("cgroup.controllers", "cpuset cpu io memory pids\n")
        monkeypatch.setattr(os, "mkdir", self.mkdir)
        monkeypatch.setattr(os, "rmdir", self.rmdir)
        monkeypatch.setattr(cgroup, "write", self.write)

    def fill(self, folder: Path) -> None:
        for name, content in OF_A_GROUP.items():
            (folder / name).write_text(content)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        self._make(path, mode)
        if str(path).startswith(str(self.parent)):
            self.fill(Path(path))

    def rmdir(self, path: str) -> None:
        """A group goes with its files, and not before those below it."""
        for file in Path(path).iterdir():
            if file.is_file():
                file.unlink()
        self._remove(path)

    def write(self, path: str, content: bytes) -> None:
        self._write(path, content)
        self.written.append((self.name(Path(path)), content.decode()))

    def name(self, path: Path) -> str:
        """Relative to the delegated group, with names instead of numbers."""
        warden = cgroup.name_of(os.getpid())
        return str(path.relative_to(self.parent)).replace(f"{warden}-leaf", "leaf").replace(warden, "warden")

    def set(self, file: str, content: str) -> None:
        (self.parent / file).write_text(content)

    def contain(self) -> CgroupContainment:
        """As the warden does it before it looks for limits; who is in the group itself then is told anew."""
        containment = CgroupContainment(2, str(self.parent), 10)
        self.set("cgroup.procs", f"{os.getpid()}\n{os.getppid()}\n")
        return containment


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordedTree:
    return RecordedTree(tmp_path, monkeypatch)


def test_recorded_worker_and_warden_go_into_a_leaf_and_the_controllers_are_handed_down(recorded: RecordedTree) -> None:
    containment = recorded.contain()
    Unified(containment, Part(1.5, 512 * MB))
    assert recorded.written == [
        ("leaf/cgroup.procs", str(os.getpid())),
        ("leaf/cgroup.procs", str(os.getppid())),
        ("cgroup.subtree_control", "+cpu +memory"),
        ("warden/memory.max", str(512 * MB)),
        ("warden/memory.swap.max", "0"),
        ("warden/cpu.max", "150000 100000"),
        ("warden/cgroup.subtree_control", "+cpu +memory"),
    ]


def test_recorded_job_has_a_group_made_for_it_and_ends_as_a_whole(recorded: RecordedTree) -> None:
    containment = recorded.contain()
    limits = Unified(containment, Part())
    tree = containment.take(alone=True)
    recorded.written.clear()
    share = limits.take(Part(0.5, 64 * MB), tree)
    assert recorded.written == [
        ("warden/1/memory.max", str(64 * MB)),
        ("warden/1/memory.swap.max", "0"),
        ("warden/1/cpu.max", "50000 100000"),
        ("warden/1/memory.oom.group", "1"),
    ]
    assert [recorded.name(Path(path)) for path in tree.joins] == ["warden/1/cgroup.procs"]
    share.loosen()
    assert recorded.written[-1] == ("warden/1/cpu.max", "max"), "who is killed dies without waiting for CPU time"
    containment.give_back(tree, clean=True)
    assert not (Path(containment.place) / "1").exists()
    assert (Path(containment.place) / "0").exists(), "that of jobs without limits is kept"


def test_recorded_smallest_parts_are_what_the_kernel_takes() -> None:
    assert Part(0.01).quota_us() == (1000, 100_000)
    assert Part(0.005).quota_us() == (5000, 1_000_000)
    assert Part(0.0001).quota_us() == (1000, 1_000_000)
    assert Part(2).quota_us() == (200_000, 100_000)
    assert Part(0.29).quota_us() == (29_000, 100_000)
    assert Part(0.666666).quota_us() == (66_666, 100_000), "more than two thirds, which may be all there is"


@pytest.mark.parametrize(
    ("oom", "killed", "above", "says"),
    [
        (0, 0, 0, ""),
        (1, 1, 1, "it used more than its 64 MB of memory"),
        (0, 1, 1, "the jobs of its worker together used more than the worker's 512 MB of memory (RAM_LIMIT)"),
        (0, 1, 0, "its machine ran out of memory"),
    ],
)
def test_recorded_events_tell_whose_limit_it_was(
    recorded: RecordedTree, oom: int, killed: int, above: int, says: str
) -> None:
    containment = recorded.contain()
    limits = Unified(containment, Part(0, 512 * MB))
    tree = containment.take(alone=True)
    share = limits.take(Part(0, 64 * MB), tree)
    place = Path(containment.place)
    (place / "1" / "memory.events").write_text(EVENTS.format(oom, killed))
    (place / "memory.events").write_text(EVENTS.format(above + oom, killed))
    (place / "memory.events.local").write_text(EVENTS.format(above, 0))
    assert share.verdict() == says


def test_recorded_counters_of_the_tree_stand_instead_of_what_was_reaped(recorded: RecordedTree) -> None:
    containment = recorded.contain()
    limits = Unified(containment, Part())
    share = limits.take(Part(1, 0), containment.take(alone=True))
    group = Path(containment.place) / "1"
    (group / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    assert share.used(0.25, 7) == (1.5, 7), "before Linux 5.19 there is no memory.peak"
    (group / "memory.peak").write_text("123456\n")
    assert share.used(0.25, 7) == (1.5, 123456)


def test_recorded_group_is_as_it_was_found_at_the_end(recorded: RecordedTree) -> None:
    containment = recorded.contain()
    limits = Unified(containment, Part())
    leaf = recorded.parent / f"{cgroup.name_of(os.getpid())}-leaf"
    (leaf / "cgroup.procs").write_text("7\n8\n")
    containment.close()
    recorded.written.clear()
    limits.close()
    assert recorded.written == [
        ("cgroup.subtree_control", "-cpu -memory"),
        ("cgroup.procs", "7"),
        ("cgroup.procs", "8"),
    ]
    assert sorted(path.name for path in recorded.parent.iterdir() if path.is_dir()) == []


def test_recorded_group_without_the_controllers_is_not_used_and_says_why(recorded: RecordedTree) -> None:
    recorded.set("cgroup.controllers", "memory pids\n")
    containment = recorded.contain()
    limits, why = holds.choose("auto", Part(1, 0), containment, 0)
    assert isinstance(limits, Watched)
    assert why == "cpu not delegated to this worker's cgroup"
    assert recorded.written == []


def test_recorded_group_with_others_in_it_is_left_alone(recorded: RecordedTree) -> None:
    containment = recorded.contain()
    recorded.set("cgroup.procs", f"1\n{os.getpid()}\n{os.getppid()}\n")
    limits, why = holds.choose("auto", Part(), containment, 0)
    assert isinstance(limits, Watched)
    assert why == "other processes are in this worker's cgroup"
    assert recorded.written == []
    assert [path.name for path in recorded.parent.iterdir() if path.is_dir()] == [Path(containment.place).name]


def test_recorded_refusal_by_the_kernel_puts_everything_back(
    recorded: RecordedTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    containment = recorded.contain()
    write = cgroup.write

    def refused(path: str, content: bytes) -> None:
        if path.endswith("memory.max"):
            raise OSError(errno.EPERM, "not permitted")
        write(path, content)

    monkeypatch.setattr(cgroup, "write", refused)
    limits, why = holds.choose("auto", Part(0, 64 * MB), containment, 0)
    assert isinstance(limits, Watched)
    assert why == "not permitted"
    assert ("cgroup.subtree_control", "-cpu -memory") in recorded.written
    assert not list(recorded.parent.glob("*-leaf"))
    recorded.set("cgroup.procs", "")
    containment.leave()
    assert (recorded.parent / "cgroup.procs").read_text() == "0", "the warden is where it was before"


def test_recorded_leaf_of_a_dead_warden_is_home_to_the_next(
    recorded: RecordedTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker lives on in the leaf; the new warden is born there, and makes its groups beside it. At its end
    the group is as it was found by the first."""
    leaf = recorded.parent / f"{cgroup.name_of(2**22)}-leaf"
    os.mkdir(leaf)
    monkeypatch.setattr(cgroup, "own_folder", lambda _controller: str(leaf))
    assert cgroup.parent_folder(2) == str(recorded.parent)
    containment = CgroupContainment(2, str(recorded.parent), 10, str(leaf))
    recorded.set("cgroup.procs", "")
    limits = Unified(containment, Part())
    assert (leaf / "cgroup.procs").read_text() == "0"
    assert [name for name, _ in recorded.written] == ["cgroup.subtree_control", "warden/cgroup.subtree_control"]
    (leaf / "cgroup.procs").write_text("7\n8\n")
    containment.close()
    recorded.written.clear()
    limits.close()
    assert recorded.written == [
        ("cgroup.subtree_control", "-cpu -memory"),
        ("cgroup.procs", "7"),
        ("cgroup.procs", "8"),
    ]
    assert not leaf.exists()


def test_recorded_leaf_that_somebody_lives_in_is_not_swept(recorded: RecordedTree) -> None:
    lived_in, empty = (recorded.parent / f"{cgroup.name_of(number)}-leaf" for number in (2**22, 2**22 + 1))
    for leaf in (lived_in, empty):
        os.mkdir(leaf)
    (lived_in / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    cgroup.sweep(2, str(recorded.parent), 0)
    assert (lived_in.exists(), empty.exists()) == (True, False)
    assert (lived_in / "cgroup.kill").read_text() == ""


def test_hierarchies_of_version_1_that_lack_something_are_not_used_and_nothing_is_left_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: dict[str, str | None] = {"memory": str(tmp_path / "memory"), "cpu": None, "cpuacct": None}
    (tmp_path / "memory").mkdir()
    monkeypatch.setattr(cgroup, "own_folder", folders.__getitem__)
    limits, why = holds.choose("auto", Part(), DescentContainment(), 0)
    assert (limits.kind, why) == ("watched", "there are no cgroups for cpu")
    folders["cpu"] = str(tmp_path / "cpu")
    assert holds.choose("auto", Part(), DescentContainment(), 0)[1] == "No such file or directory"
    (tmp_path / "cpu").mkdir()
    assert holds.choose("auto", Part(), DescentContainment(), 0)[1] == "limits of memory cannot be set"
    assert not list(tmp_path.glob("*/*"))


def test_watching_is_all_there_is_where_nothing_better_is_wanted() -> None:
    limits, why = holds.choose("watched", Part(), DescentContainment(), 0)
    assert (limits.kind, why) == ("watched", "")


def test_watched_jobs_are_spread_over_the_cores_of_the_worker() -> None:
    limits = Watched(Part(), [0, 1, 2, 3])
    tree = DescentContainment().take()
    shares = [limits.take(Part(cpu), tree) for cpu in (1, 0.5, 2, 1)]
    assert [share.cores for share in shares] == [{0}, {1}, {2, 3}, {1}]
    assert [share.nice for share in shares] == [0, 5, 0, 0]
    limits.give_back(shares[0])
    assert limits.take(Part(1), tree).cores == {0}
    assert limits.take(Part(64), tree).cores == {0, 1, 2, 3}


def test_watched_jobs_together_get_as_many_cores_as_the_worker_may_use() -> None:
    """The warden keeps to them; who names a part gets its own of these."""
    before = os.sched_getaffinity(0)
    limits = Watched(Part(0.5), sorted(before))
    tree = DescentContainment().take()
    try:
        limits.begin()
        kept = os.sched_getaffinity(0)
    finally:
        os.sched_setaffinity(0, before)
    assert len(kept) == 1
    assert limits.take(Part(), tree).cores is None
    assert limits.take(Part(0.5), tree).cores == kept


def test_watching_takes_no_process_that_holds_itself_but_for_cores() -> None:
    """Such a process is a copy of the warden, which costs more than all the rest of a brief job."""
    limits = Watched(Part(0, 512 * MB), [0, 1])
    tree = DescentContainment().take()
    assert [limits.take(part, tree).inside for part in (Part(), Part(0, MB), Part(1), Part(0.5, MB))] == [
        False, False, True, True,
    ]  # fmt: skip
