"""A real MongoDB replica set for the tests: `python -m tests.services.mongo start | stop | status | wipe`.

`start` prints the address. What answers is left alone, what has died is started again with the same data on the same
port; several may call it at once. Only processes of its own state folder are ever ended.

CMDEXEC_TEST_MONGO_STATE     the state folder; another one is another, private set (default: in memory if
                             there is much of it, else in the temporary folder)
CMDEXEC_TEST_MONGO_MEMBERS   how many members it has, 1 or 3; remembered
CMDEXEC_TEST_MONGO_PASSWORD  turns on passwords, with this one for the user "cmdexec"; remembered
CMDEXEC_TEST_MONGODB_URI     tests use this set instead, and start none
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from tests.services.mongod import program
from tests.services.packages import Missing, locked
from tests.support.ports import free_ports
from tests.support.proc import alive
from tests.support.waiting import until

NAME = "cmdexec"
_WAIT_SEC = 40.0
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 << 30
_MARK = "settings.json"


def standard_folder() -> Path:
    """Where the set of this user lives that tests share."""
    named = os.environ.get("CMDEXEC_TEST_MONGO_STATE")
    if named:
        return Path(named)
    memory, disk = (base / f"cmdexec-tests-mongo-{os.getuid()}" for base in (_MEMORY, Path(tempfile.gettempdir())))
    return memory if (memory / _MARK).exists() else roomy() / disk.name


def roomy() -> Path:
    """In memory, if there is much of it: what a flush costs is not what most tests are about."""
    in_memory = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    return _MEMORY if in_memory else Path(tempfile.gettempdir())


def shared_uri() -> str:
    """The address of the set that tests share, started if need be. Raises Missing where there is no mongod."""
    return os.environ.get("CMDEXEC_TEST_MONGODB_URI") or running(standard_folder()).uri


@dataclass
class Set:
    """A replica set and its folder. `ports`: of its members; not `replicated`: one mongod that is alone."""

    folder: Path
    ports: list[int] = field(default_factory=list)
    password: str = ""
    user_made: bool = False
    replicated: bool = True

    @property
    def uri(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        user = f"cmdexec:{self.password}@" if self.password else ""
        return f"mongodb://{user}{hosts}/?replicaSet={NAME}"

    def pid(self, member: int) -> int | None:
        """The process of that member, if it lives and is ours."""
        try:
            pid = int((self.folder / f"{member}.pid").read_text())
            ours = Path(f"/proc/{pid}/cwd").readlink() == (self.folder / str(member)).resolve()
        except (OSError, ValueError):
            return None
        return pid if ours and alive(pid) else None

    def start(self) -> None:
        """Start the members that do not run, and wait for a primary."""
        members = range(len(self.ports))
        waiting = [member for member in members if self.pid(member) is None]
        mongod = program() if waiting else None
        for member in waiting:
            self.launch(str(mongod), member)
        for member in members:
            until(lambda one=member: self._hello(one), f"MongoDB answers; log: {self._log(member)}", _WAIT_SEC, 0.05)
        if all(self._hello(member).get("isreplicaset") for member in members):
            self._make_set()
        until(self._primary, f"the set has a primary; logs in {self.folder}", _WAIT_SEC, 0.05)
        if self.password and not self.user_made:
            self._make_user()

    def kill(self, member: int, which: signal.Signals = signal.SIGKILL) -> None:
        """End one member, and wait until it is gone."""
        pid = self.pid(member)
        if pid is not None:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, which)
            until(lambda: not alive(pid), f"mongod {pid} is gone")

    def send(self, member: int, what: signal.Signals) -> None:
        """To one member, which must live."""
        pid = self.pid(member)
        assert pid is not None, f"mongod ended; its log: {self._log(member)}"
        os.kill(pid, what)

    def stop(self) -> None:
        for member in range(len(self.ports)):
            self.kill(member, signal.SIGTERM)

    def save(self) -> None:
        kept = {key: value for key, value in asdict(self).items() if key != "folder"}
        (self.folder / _MARK).write_text(json.dumps(kept))

    def states(self) -> list[str]:
        """What each member is: primary, secondary, other, or away."""
        return [self.state(member) for member in range(len(self.ports))]

    def state(self, member: int) -> str:
        """Of one that lives."""
        said = self._hello(member)
        if not said:
            return "away"
        return "primary" if said.get("isWritablePrimary") else "secondary" if said.get("secondary") else "other"

    def _log(self, member: int) -> Path:
        return self.folder / f"{member}.log"

    def launch(self, mongod: str, member: int) -> None:
        """Start one member; it may not answer yet."""
        folder = self.folder / str(member)
        folder.mkdir(exist_ok=True)
        command = [
            mongod, "--bind_ip", "127.0.0.1", "--port", str(self.ports[member]), "--dbpath", ".",
            "--nounixsocket", "--quiet", "--wiredTigerCacheSizeGB", "0.25",
            "--logpath", str(self._log(member)), "--logappend",
        ]  # fmt: skip
        for parameter in (
            "enableTestCommands=1", "ttlMonitorSleepSecs=2", "shutdownTimeoutMillisForSignaledShutdown=100",
            "diagnosticDataCollectionEnabled=false",
        ):  # fmt: skip
            command += ["--setParameter", parameter]
        if self.replicated:
            command += ["--replSet", NAME, "--oplogSize", "128"]
        if self.password:
            key = self.folder / "key"
            if not key.exists():
                with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                    file.write(secrets.token_hex(64))
            command += ["--auth", "--keyFile", str(key)]
        with self._log(member).open("ab") as log:
            process = subprocess.Popen(  # it outlives this process
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        (self.folder / f"{member}.pid").write_text(str(process.pid))
        process.returncode = 0  # nobody here waits for it

    def ask(self, member: int, command: dict[str, Any], wait_ms: int = 20_000) -> dict[str, Any]:
        """What that member alone answers to a command of the admin database. Raises PyMongoError."""
        with closing(
            pymongo.MongoClient(
                "127.0.0.1", self.ports[member], directConnection=True, serverSelectionTimeoutMS=2000,
                connectTimeoutMS=2000, socketTimeoutMS=wait_ms,
            )
        ) as client:  # fmt: skip
            return dict(client.admin.command(command))

    def _hello(self, member: int) -> dict[str, Any]:
        """What a member says of itself; nothing while it does not answer."""
        assert self.pid(member) is not None, f"mongod ended; its log: {self._log(member)}"
        try:
            with socket.create_connection(("127.0.0.1", self.ports[member]), 1):
                return self.ask(member, {"hello": 1}, 2000)
        except (OSError, PyMongoError):
            return {}

    def _primary(self) -> bool:
        return any(self._hello(member).get("isWritablePrimary") for member in range(len(self.ports)))

    def _make_set(self) -> None:
        members = [{"_id": member, "host": f"127.0.0.1:{port}"} for member, port in enumerate(self.ports)]
        settings = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500, "heartbeatTimeoutSecs": 2}
        with suppress(OperationFailure):  # it has been made since
            self.ask(0, {"replSetInitiate": {"_id": NAME, "version": 1, "members": members, "settings": settings}})

    def _make_user(self) -> None:
        primary = next(one for one in range(len(self.ports)) if self.state(one) == "primary")
        self.ask(primary, {"createUser": "cmdexec", "pwd": self.password, "roles": ["root"]})
        self.user_made = True
        self.save()


def opened(folder: Path) -> Set:
    """The set as that folder knows it."""
    return Set(folder, **json.loads((folder / _MARK).read_text()))


def running(folder: Path, members: int = 1, password: str = "") -> Set:
    """The set of that folder, made and started if need be. Raises Missing where there is no mongod."""
    with locked(folder.with_name(f"{folder.name}.lock")):
        folder.mkdir(mode=0o700, exist_ok=True)
        if (folder / _MARK).exists():
            this = opened(folder)
        else:
            assert not any(folder.iterdir()), f"{folder} holds other things"
            this = Set(folder, free_ports(members), password)
            this.save()
        this.start()
        return this


def wipe(folder: Path) -> None:
    """Stop it and delete all of it."""
    with locked(folder.with_name(f"{folder.name}.lock")):
        if (folder / _MARK).exists():
            opened(folder).stop()
            shutil.rmtree(folder)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.services.mongo")
    parser.add_argument("what", choices=("start", "stop", "status", "wipe"))
    what, folder = parser.parse_args(arguments).what, standard_folder()
    if what == "start":
        members = int(os.environ.get("CMDEXEC_TEST_MONGO_MEMBERS", "1"))
        try:
            print(running(folder, members, os.environ.get("CMDEXEC_TEST_MONGO_PASSWORD", "")).uri)
        except Missing as missing:
            print(f"MongoDB cannot be started: {missing}", file=sys.stderr)
            return 1
    elif what == "wipe":
        wipe(folder)
    elif not (folder / _MARK).exists():
        print(f"nothing was started in {folder}")
        return int(what == "status")
    elif what == "stop":
        opened(folder).stop()
    else:
        this = opened(folder)
        states = ["away" if this.pid(one) is None else this.state(one) for one in range(len(this.ports))]
        print(*(f"127.0.0.1:{port}: {state}" for port, state in zip(this.ports, states, strict=True)), sep="\n")
        return int("primary" not in states)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
