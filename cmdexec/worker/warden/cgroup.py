"""Cgroups: whoever is born in one stays in it, whatever it forks, renames or closes, unless it may and does move out.

Version 1 moves a thread (11 µs) and kills by freezer; version 2 moves the process (50 µs) and kills by `cgroup.kill`
(Linux 5.14).
"""

import errno
import os
import signal
import time

from cmdexec.worker.warden import proc
from cmdexec.worker.warden.proc import Process

_FREEZE_TRIES = 40
_REMOVE_TRIES = 20
_STEP_SEC = 0.0005
_LINKS_ALONE = 2
"""Of a folder without folders in it."""
_PREFIX = "cmdexec"
_LEAF = "leaf"
_FREEZER = {
    1: ("freezer.state", b"FROZEN", b"THAWED", "freezer.state", b"FROZEN"),
    2: ("cgroup.freeze", b"1", b"0", "cgroup.events", b"frozen 1"),
}
"""Version → file, what freezes, what thaws, where to see it, how it looks."""


def own_folder(controller: str, process: str = "/proc/self") -> str | None:
    """The folder of the cgroup that a process is in, in the hierarchy of version 1 that has `controller`, or in that of
    version 2 if it is empty; None when there is none, or it is not shown here."""
    own = None
    for line in proc.read_file(f"{process}/cgroup").decode("utf-8", "surrogateescape").splitlines():
        number, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") if controller else number == "0":
            own = path
    if own is None:
        return None
    for line in proc.read_file(f"{process}/mountinfo").decode("utf-8", "surrogateescape").splitlines():
        mount, _, source = line.partition(" - ")
        root, point = mount.split()[3:5]
        kind, _, options = source.split(" ", 2)
        if kind == ("cgroup" if controller else "cgroup2") and (not controller or controller in options.split(",")):
            shown = own if root == "/" else own.removeprefix(root)
            # A path that leads out of what is mounted here belongs to another container.
            if (root == "/" or own == root or own.startswith(f"{root}/")) and ".." not in shown.split("/"):
                return (point.replace("\\040", " ") + shown).rstrip("/")
    return None


def parent_folder(version: int) -> str | None:
    """Where a warden makes its cgroups: in the one that it is in, or around that if it is an earlier one's leaf."""
    folder = own_folder("freezer" if version == 1 else "")
    return folder if folder is None or not is_leaf(folder) else os.path.dirname(folder)


def write(path: str, content: bytes) -> None:
    """Write to a file that is there. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def attempt(path: str, content: bytes) -> bool:
    """False when the file or the right to write it is gone."""
    try:
        write(path, content)
    except OSError:
        return False
    return True


class Cgroup:
    """One folder, and the folders that a job made below it."""

    def __init__(self, version: int, path: str) -> None:
        self.version = version
        self.path = path
        self._join = -1

    def make(self, keep_open: bool) -> None:
        """Make the folder; `keep_open` the file through which it is entered, which is quicker. Raises OSError."""
        os.mkdir(self.path, 0o755)
        if keep_open:
            self._join = self._open_join()

    def enter(self) -> None:
        """This process is in it from now on, and so is what it makes. Raises OSError."""
        if self._join >= 0:
            os.write(self._join, b"0")
            return
        join = self._open_join()
        try:
            os.write(join, b"0")
        finally:
            os.close(join)

    @property
    def join(self) -> str:
        """The file through which it is entered, by writing 0."""
        return f"{self.path}/{'tasks' if self.version == 1 else 'cgroup.procs'}"

    def _open_join(self) -> int:
        return os.open(self.join, os.O_WRONLY | os.O_CLOEXEC)

    def is_empty(self) -> bool:
        """Whether nobody in it is alive."""
        try:
            if self.version == 2:
                return b"populated 0" in proc.read_start(f"{self.path}/cgroup.events")
            # Opened anew each time: version 1 shows a kept descriptor a list that may be a second old.
            if proc.read_start(f"{self.path}/cgroup.procs"):
                return False
            return os.stat(self.path).st_nlink <= 2 or not self._pids()
        except FileNotFoundError:
            return True

    def processes(self) -> list[Process]:
        """Those in it that are alive."""
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
        """TERM to all at one moment."""
        self._freeze()
        try:
            proc.terminate(self.processes())
        finally:
            self._thaw()

    def kill(self) -> None:
        """KILL to all."""
        if self.version == 2:
            attempt(f"{self.path}/cgroup.kill", b"1")
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
        attempt(f"{self.path}/{file}", freeze)
        for _ in range(_FREEZE_TRIES):
            try:
                if frozen in proc.read_start(f"{self.path}/{shown}"):
                    return
            except FileNotFoundError:
                return
            time.sleep(_STEP_SEC)

    def _thaw(self) -> None:
        file, _, thaw, _, _ = _FREEZER[self.version]
        for folder in self._folders():
            attempt(f"{folder}/{file}", thaw)

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
        try:
            if os.stat(self.path).st_nlink == _LINKS_ALONE:
                return [self.path]
        except FileNotFoundError:
            return []
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


def sweep(version: int, parent: str, limit_sec: float) -> None:
    """End and remove what wardens left in a folder that were killed together with their workers."""
    deadline = time.monotonic() + limit_sec
    for name in os.listdir(parent):
        if not _is_left_over(name):
            continue
        cgroup = Cgroup(version, f"{parent}/{name}")
        if is_leaf(name):  # the worker of a warden that died alone lives on in it
            if cgroup.is_empty():
                cgroup.remove()
            continue
        while not cgroup.is_empty() and time.monotonic() < deadline:
            cgroup.kill()
            time.sleep(_STEP_SEC)
        cgroup.remove()


def _pid_namespace() -> int:
    """Numbers of processes mean something only within it."""
    return os.stat("/proc/self/ns/pid").st_ino


def name_of(pid: int) -> str:
    """The folder's name says whose it is: namespace, number, start."""
    process = proc.read(pid)
    return f"{_PREFIX}-{_pid_namespace()}-{pid}-{process.start if process else 0}"


def leaf_of(pid: int) -> str:
    """The name of the folder for warden and worker themselves: where groups have limits, processes are in leaves."""
    return f"{name_of(pid)}-{_LEAF}"


def is_leaf(folder: str) -> bool:
    """Whether it is such a folder."""
    parts = os.path.basename(folder).split("-")
    return len(parts) == 5 and parts[0] == _PREFIX and parts[4] == _LEAF


def _is_left_over(name: str) -> bool:
    parts = name.split("-")
    if not (len(parts) == 4 or is_leaf(name)) or parts[0] != _PREFIX or parts[1] != str(_pid_namespace()):
        return False
    owner = proc.read(int(parts[2]))
    return owner is None or owner.ended or str(owner.start) != parts[3]
