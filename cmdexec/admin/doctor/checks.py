"""What may be wrong with a server's folder, disk and store, looked at one after the other, while it runs or not.
Nothing is changed."""

import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from cmdexec.admin.doctor.opened import open_inspection
from cmdexec.client.access import Running
from cmdexec.errors import CmdexecError
from cmdexec.link.http import session
from cmdexec.protocol.requests import ErrorView
from cmdexec.runtime import Runtime
from cmdexec.server.folder import RUNTIME
from cmdexec.settings.server import ServerSettings
from cmdexec.store.sqlite import library
from cmdexec.store.sqlite.health import free_bytes
from cmdexec.system.files import open_to_others

_ANSWERS_SEC = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """`says` in a sentence how it is; `mend` what to do where it is not `well`; `is_last`: nothing else can be seen."""

    name: str
    well: bool
    says: str
    mend: str | None = None
    is_last: bool = False


async def checks(settings: ServerSettings, runtime: Runtime) -> AsyncIterator[Check]:
    """All of them, in the order in which one rests on another."""
    folder = settings.data_dir
    there = _folder(folder)
    yield there
    if there.is_last:
        return
    yield _room(folder, settings.disk_reserve_bytes)
    if settings.mongodb_uri is None:
        yield _library()
    yield await _store(settings, runtime)
    yield await _server(folder)


def _folder(folder: Path) -> Check:
    try:
        status = folder.stat()
    except OSError as wrong:
        said = f"The server's data folder {folder} cannot be looked at: {wrong.strerror}."
        return Check("folder", False, said, "Start a server, name another --data-dir, or be its owner.", is_last=True)
    if not stat.S_ISDIR(status.st_mode):
        return Check("folder", False, f"{folder} is no folder.", "Name a folder as --data-dir.", is_last=True)
    if not os.access(folder, os.R_OK | os.X_OK):
        said = f"{folder} is not this user's to look into."
        return Check("folder", False, said, "Be the user who runs the server.", is_last=True)
    if open_to_others(status):
        mode = f"{stat.S_IMODE(status.st_mode):03o}"
        said = f"Others can look into {folder} (mode {mode}), where keys and the output of jobs lie."
        return Check("folder", False, said, f"chmod 700 {folder}")
    return Check("folder", True, f"{folder} is there, and its owner's alone.")


def _room(folder: Path, reserve: int) -> Check:
    free = free_bytes(folder)
    if free is None:
        return Check("room", True, "How much room the disk has cannot be told.")
    if free < reserve:
        return Check(
            "room", False, f"The disk has {free:,} bytes free; with less than {reserve:,} no jobs are taken.",
            "Make room there, or lower DISK_RESERVE_BYTES.",
        )  # fmt: skip
    return Check("room", True, f"The disk has {free:,} bytes free.")


def _library() -> Check:
    version = library.version()
    if library.keeps_pages(version):
        return Check("sqlite", True, f"SQLite {version} keeps what is committed.")
    return Check(
        "sqlite", False, f"SQLite {version} may lose committed pages where several programs have the file open.",
        "Update the package apsw, which brings it; until then let nothing but the server open its store.",
    )  # fmt: skip


async def _store(settings: ServerSettings, runtime: Runtime) -> Check:
    try:
        store = await open_inspection(settings, runtime)
    except CmdexecError as wrong:
        return Check("store", False, wrong.message, wrong.mend)
    try:
        counts = await store.jobs.counts()
    except CmdexecError as wrong:
        return Check("store", False, wrong.message, wrong.mend)
    finally:
        await store.close()
    told = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()) if count)
    return Check("store", True, f"The store can be read. Jobs: {told or 'none'}.")


async def _server(folder: Path) -> Check:
    try:
        running = msgspec.json.decode((folder / RUNTIME).read_bytes(), type=Running)
    except FileNotFoundError:
        return Check("server", True, "No server runs on this folder.")
    except (OSError, msgspec.MsgspecError):
        return Check("server", False, f"{folder / RUNTIME} cannot be read.", "Start the server anew, which writes it.")
    async with session(connect_timeout_sec=_ANSWERS_SEC, total_sec=_ANSWERS_SEC) as http:
        try:
            async with http.get(f"{running.url}/api/ready") as answer:
                if answer.status == 200:
                    said = f"The server at {running.url} (process {running.pid}, {running.version}) takes requests."
                    return Check("server", True, said)
                return _not_ready(running.url, answer.status, await answer.read())
        except (aiohttp.ClientError, OSError):
            return Check(
                "server", False, f"A server was started at {running.url} (process {running.pid}) and does not answer.",
                "Where it was killed, start it again: it goes on with what it has.",
            )  # fmt: skip


def _not_ready(url: str, status: int, body: bytes) -> Check:
    try:
        error = msgspec.json.decode(body, type=ErrorView).error
    except msgspec.MsgspecError:
        return Check("server", False, f"The server at {url} answers with status {status}.", "Its log says why.")
    mend = error.mend or "Its log says why."
    return Check("server", False, f"The server at {url} is not ready: {error.message}", mend)
