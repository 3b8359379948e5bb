"""`run --standalone`: a server and a worker of one's own for one command, and nothing of them afterwards.

The server is started before anything heavy is loaded here, so that both start at the same time. It gets no settings of
the caller's environment: what they are about is another server.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from cmdexec.cli.lifeline import FILE, Lifeline, abandoned
from cmdexec.cli.myself import myself
from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError
from cmdexec.settings.load import DECLARED
from cmdexec.settings.refused import NOT_PROVIDED
from cmdexec.system.files import free_bytes, is_another_users, locked
from cmdexec.worker.folder import WARDEN_LOCK_FILE

DRAIN_SEC = 1.0
"""How long the private server waits for what is under way."""

_STEP_SEC = 0.005
_MEMORY_ROOM = 4 << 30
_OLD_MS = 60_000
_PREFIX = "cmdexec-run-"
_LOG_TAIL = 4096


class Standalone:
    """The private server. Made (and so started) without a loop; then used in one. `containers`: for a job in one."""

    def __init__(self, environment: Mapping[str, str], *, containers: bool = False) -> None:
        try:
            self._base = _base(environment)
            self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._base))
        except OSError as wrong:
            raise CmdexecError(
                "bad_data_dir", f"There is no folder for temporary files that can be used: {wrong.strerror}.",
                field="TMPDIR", mend="Set TMPDIR to a folder that this user may write to, on a disk with room.",
            ) from wrong  # fmt: skip
        try:
            self._lifeline = Lifeline(self.folder)
            self._log = self.folder / "server.log"
            with self._log.open("wb") as log:
                self._server = subprocess.Popen(
                    myself(
                        "serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", str(self.folder), "--with-worker",
                        "--log-level", "warning", "--lifeline", str(self._lifeline.path),
                    ),
                    env=_environment(environment, self.folder, containers=containers), cwd=self.folder,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @asynccontextmanager
    async def running(self, clock: Clock, within: float) -> AsyncIterator[None]:
        """Wait until it takes jobs; take everything away at the end. `within`: seconds that either may take."""
        try:
            await self._until(lambda: self._ready() or self._ended(), within, clock)
            if not self._ready():
                raise CmdexecError("server_away", f"The private server did not start. {self._said()}".rstrip())
            yield
        finally:
            await self.end(clock, within)

    async def end(self, clock: Clock, within: float) -> None:
        """End server, worker and their jobs, delete the folder, and what of earlier ones was left behind.

        It is the same way that kill -9 of this process takes, so it is gone every time.
        """
        self._lifeline.let_go()
        if not await self._until(self._all_gone, within, clock):
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        _sweep(self._base, clock)

    def abandon(self) -> None:
        """The same in a hurry, without a loop: server and worker end by themselves and take the folder along."""
        self._lifeline.let_go()
        if self._ended():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> bool:
        return (self.folder / "runtime.json").exists()

    def _ended(self) -> bool:
        return self._server.poll() is not None

    def _all_gone(self) -> bool:
        """Server and worker, and the last process of the last job: until then the warden's lock is held."""
        lock = self.folder / "worker" / WARDEN_LOCK_FILE
        return self._ended() and not self._lifeline.anybody() and locked(lock) is None

    def _said(self) -> str:
        """What the server said last, without its mark: it is the reason."""
        text = self._log.read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace")
        lines = [line.removeprefix("cmdexec: ") for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    async def _until(self, fact: Callable[[], bool], within: float, clock: Clock) -> bool:
        end = clock.elapsed() + within
        while not fact():
            if clock.elapsed() > end:
                return False
            await clock.sleep(_STEP_SEC)
        return True


def _base(environment: Mapping[str, str]) -> Path:
    """A folder in memory if this user has one with room, else the one for temporary files."""
    for name in (environment.get("XDG_RUNTIME_DIR", ""), os.path.join(os.sep, "dev", "shm")):
        folder = Path(name)
        if folder.is_absolute() and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            if free_bytes(folder) >= _MEMORY_ROOM:
                return folder
    return Path(tempfile.gettempdir())


_OF_THE_MACHINE = frozenset({"DOCKER_HOST", "DOCKER_CONTEXT"})
"""Settings that say where something of this machine is, whichever server is meant."""


def _environment(environment: Mapping[str, str], folder: Path, *, containers: bool = False) -> dict[str, str]:
    """This environment without any setting of cmdexec; programs are looked for where this shell would look.

    `containers`: the job is for one: it says, too, where the engine is, and a network may be had: who asks for one is
    whose machine it is.
    """
    declared = [setting for side in DECLARED.values() for setting in side]
    names = {name for setting in declared for name in (setting.name, *setting.aliases)}
    names |= {name for side in NOT_PROVIDED.values() for name in side}
    kept = {
        name: value
        for name, value in environment.items()
        if not {name, name.removesuffix("_FILE")} & names and not name.startswith("CMDEXEC_")
    }
    if containers:
        kept |= {name: environment[name] for name in _OF_THE_MACHINE & environment.keys()}
        kept["ALLOW_CONTAINER_NETWORK"] = "true"
    path = {"JOB_PATH": environment["PATH"]} if environment.get("PATH") else {}
    return kept | path | {"SERVER_DRAIN_SEC": str(DRAIN_SEC), "WORK_DIR": str(folder / "work")}


def _sweep(base: Path, clock: Clock) -> None:
    """Delete folders that were left when all three were killed at once."""
    for folder in base.glob(f"{_PREFIX}*"):
        try:
            status = folder.lstat()
            old = clock.now() - int(status.st_mtime * 1000) > _OLD_MS
            if not is_another_users(status) and old and abandoned(folder / FILE):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
