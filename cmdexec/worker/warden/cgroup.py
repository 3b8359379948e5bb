"""Trees held by cgroups: whoever is born in one stays in it, whatever it forks, renames or closes.

One folder a *slot*, reused: making one costs up to milliseconds. The warden steps into the folder, makes the process,
and steps out at the end of a batch, so that a process is inside from its first instruction. Version 1 moves a thread
(11 µs) and kills by freezer; version 2 moves the process (50 µs) and kills by `cgroup.kill` (Linux 5.14).
"""

import errno
import os
import signal
import time

from cmdexec.worker.warden import proc
from cmdexec.worker.warden.containment import JOB_OOM_SCORE, Containment, Tree
from cmdexec.worker.warden.proc import Process

_FREEZE_TRIES = 40
_REMOVE_TRIES = 20
_STEP_SEC = 0.0005
_PREFIX = "cmdexec"
_FREEZER = {
    1: ("freezer.state", b"FROZEN", b"THAWED", "freezer.state", b"FROZEN"),
    2: ("cgroup.freeze", b"1", b"0", "cgroup.events", b"frozen 1"),
}
"""Version → file, what freezes, what thaws, where to see it, how it looks."""


def parent_folder(version: int) -> str | None:
    """The folder of the cgroup that this process is in, in the hierarchy that `version` uses; None without one."""
    own = None
    for line in proc.read_file("/proc/self/cgroup").decode("utf-8", "surrogateescape").splitlines():
        number, controllers, path = line.split(":", 2)
        if (number == "0" and version == 2) or (version == 1 and "freezer" in controllers.split(",")):
            own = path
    if own is None:
        return None
    for line in proc.read_file("/proc/self/mountinfo").decode("utf-8", "surrogateescape").splitlines():
        mount, _, source = line.partition(" - ")
        root, point = mount.split()[3:5]
        kind, _, options = source.split(" ", 2)
        if kind == ("cgroup2" if version == 2 else "cgroup") and (version == 2 or "freezer" in options.split(",")):
            shown = own if root == "/" else own.removeprefix(root)
            # A path that leads out of what is mounted here belongs to another container.
            if (root == "/" or own == root or own.startswith(f"{root}/")) and ".." not in shown.split("/"):
                return (point.replace("\\040", " ") + shown).rstrip("/")
    return None


def _write(path: str, content: bytes) -> bool:
    """False when the file or the right to write it is gone."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, content)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


class CgroupTree(Tree):
    """One folder, and the folders that a job made below it."""

    def __init__(self, version: int, path: str, containment: Containment | None = None) -> None:
        self.version = version
        self.path = path
        self._containment = containment
        self._join = -1

    def make(self) -> None:
        """Make the folder and keep open the file through which it is entered. Raises OSError."""
        os.mkdir(self.path, 0o755)
        self._join = os.open(f"{self.path}/{'tasks' if self.version == 1 else 'cgroup.procs'}", os.O_WRONLY)

    def enter(self) -> None:
        if self._containment is not None:
            self._containment.oom_score.set(JOB_OOM_SCORE)
        os.write(self._join, b"0")

    def is_empty(self) -> bool:
        try:
            if self.version == 2:
                return b"populated 0" in proc.read_file(f"{self.path}/cgroup.events")
            # Opened anew each time: version 1 shows a kept descriptor a list that may be a second old.
            if proc.read_file(f"{self.path}/cgroup.procs"):
                return False
            return os.stat(self.path).st_nlink <= 2 or not self._pids()
        except FileNotFoundError:
            return True

    def processes(self) -> list[Process]:
        found = []
        inside = self.path[self.path.rindex(f"/{_PREFIX}-") :].encode()
        for pid in self._pids():
            process = proc.read(pid)
            if process is None or process.ended:
                continue
            try:
                # The number may have gone to another process since the list was read.
                if inside in proc.read_file(f"/proc/{pid}/cgroup"):
                    found.append(process)
            except OSError:
                continue
        return found

    def terminate(self) -> None:
        self._freeze()
        try:
            proc.terminate(self.processes())
        finally:
            self._thaw()

    def kill(self) -> None:
        if self.version == 2:
            _write(f"{self.path}/cgroup.kill", b"1")
            return
        self._freeze()
        try:
            for process in self.processes():
                proc.send(process, signal.SIGKILL)
        finally:
            self._thaw()

    def _freeze(self) -> None:
        """From now on nobody in it forks; signals are acted on after `_thaw`. A disk wait may hold it up."""
        file, freeze, _, shown, frozen = _FREEZER[self.version]
        _write(f"{self.path}/{file}", freeze)
        for _ in range(_FREEZE_TRIES):
            try:
                if frozen in proc.read_file(f"{self.path}/{shown}"):
                    return
            except FileNotFoundError:
                return
            time.sleep(_STEP_SEC)

    def _thaw(self) -> None:
        file, _, thaw, _, _ = _FREEZER[self.version]
        for folder in self._folders():
            _write(f"{folder}/{file}", thaw)

    def tidy(self) -> None:
        """Remove what the job made below."""
        if os.stat(self.path).st_nlink > 2:
            for folder in reversed(self._folders()[1:]):
                _remove(folder)

    def remove(self) -> bool:
        """Remove it all; False when something in it still lives."""
        if self._join >= 0:
            os.close(self._join)
            self._join = -1
        return all([_remove(folder) for folder in reversed(self._folders())])

    def _folders(self) -> list[str]:
        return [folder for folder, _, _ in os.walk(self.path)]

    def _pids(self) -> list[int]:
        pids: list[int] = []
        for folder in self._folders():
            try:
                pids += map(int, proc.read_file(f"{folder}/cgroup.procs").split())
            except FileNotFoundError:
                continue
        return pids


def _remove(folder: str) -> bool:
    """The kernel lets a cgroup go a moment after its last process."""
    for _ in range(_REMOVE_TRIES):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno != errno.EBUSY:
                return False
            time.sleep(_STEP_SEC)
        else:
            return True
    return False


class CgroupContainment(Containment):
    """A folder for this warden beside what is already there, a folder for each slot in it."""

    def __init__(self, version: int, parent: str) -> None:
        """Raises OSError when cgroups cannot be made or entered here."""
        super().__init__()
        self.mode = f"cgroup{version}"
        self._version = version
        self._parent = parent
        self.place = f"{parent}/{_name_of(os.getpid())}"
        self._free: list[CgroupTree] = []
        self._given = 0
        self._home = os.open(f"{parent}/{'tasks' if version == 1 else 'cgroup.procs'}", os.O_WRONLY)
        os.mkdir(self.place, 0o755)
        try:
            tree = self.take()
            tree.enter()
            self.leave()
            if version == 2 and not os.access(f"{tree.path}/cgroup.kill", os.W_OK):
                raise OSError(errno.ENOSYS, "no cgroup.kill")
            self._free.append(tree)
        except OSError:
            self.close()
            raise

    def take(self) -> CgroupTree:
        if self._free:
            return self._free.pop()
        tree = CgroupTree(self._version, f"{self.place}/{self._given}", self)
        self._given += 1
        tree.make()
        return tree

    def give_back(self, tree: Tree, clean: bool) -> None:
        if clean and isinstance(tree, CgroupTree):
            tree.tidy()
            self._free.append(tree)

    def leave(self) -> None:
        os.write(self._home, b"0")
        super().leave()

    def close(self) -> None:
        for tree in self._free:
            tree.remove()
        CgroupTree(self._version, self.place).remove()
        os.close(self._home)

    def sweep(self, limit_sec: float) -> None:
        """End and remove what wardens left here that were killed together with their workers."""
        deadline = time.monotonic() + limit_sec
        for name in os.listdir(self._parent):
            if _is_left_over(name):
                tree = CgroupTree(self._version, f"{self._parent}/{name}")
                while not tree.is_empty() and time.monotonic() < deadline:
                    tree.kill()
                    time.sleep(_STEP_SEC)
                tree.remove()


def _pid_namespace() -> int:
    """Numbers of processes mean something only within it."""
    return os.stat("/proc/self/ns/pid").st_ino


def _name_of(pid: int) -> str:
    """The folder's name says whose it is: namespace, number, start."""
    process = proc.read(pid)
    return f"{_PREFIX}-{_pid_namespace()}-{pid}-{process.start if process else 0}"


def _is_left_over(name: str) -> bool:
    parts = name.split("-")
    if len(parts) != 4 or parts[0] != _PREFIX or parts[1] != str(_pid_namespace()):
        return False
    owner = proc.read(int(parts[2]))
    return owner is None or owner.ended or str(owner.start) != parts[3]
