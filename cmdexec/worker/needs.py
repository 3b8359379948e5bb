"""What a worker cannot do without, beyond what is wrong with any one setting."""

from collections.abc import Iterator
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.settings.declare import Fault, Given
from cmdexec.worker.executors.engine_found import look
from cmdexec.worker.identity import CREDENTIAL_FILE, nothing_to_show, read_credential
from cmdexec.worker.joined import another_server, has_credential, joined_in


def needs(values: Given, *, rejoin: bool = False) -> Iterator[Fault]:
    """A fault for each thing that is missing, so that all are told at once. It is a `Check`; a value that is faulty by
    itself is missing among `values`, and told of by itself. Blocking: it looks at the credential and the server joined.

    rejoin  it shall join, whether or not it has joined before
    """
    folder = values.get("data_dir")
    if isinstance(folder, Path) and "server_url" in values:
        named = values["server_url"]
        yield from _server(str(named) if named is not None else None, folder, rejoin=rejoin)
    if values.get("allow_host") is False and (lack := _no_containers(values)) is not None:
        yield Fault(
            "ALLOW_HOST",
            f"This worker has no way to run jobs: it may not run them as processes of this machine{lack}.",
            "Start it with --allow-host, if whoever may submit jobs may do what this user may do here.",
        )
    file = values.get("worker_credential_file")
    if rejoin:
        if "join_token" in values and values["join_token"] is None:
            yield Fault("JOIN_TOKEN", "Joining again takes a new token.", "Give it with --join, or leave --rejoin out.")
        if isinstance(file, Path):
            yield Fault(
                "WORKER_CREDENTIAL_FILE", "A worker that joins keeps its credential in its data folder.",
                "Leave this unset to join again.",
            )  # fmt: skip
    elif "worker_credential_file" in values and isinstance(folder, Path):
        without = ("worker_token_secret", "join_token")
        yield from _credential(
            file if isinstance(file, Path) else None, folder,
            all(name in values and values[name] is None for name in without),
        )  # fmt: skip


def _no_containers(values: Given) -> str | None:
    """Why no job can run in a container either, to be said after why none can as a process; None: they can."""
    if values.get("allow_containers") is not True:
        return ""
    host, context, probe_sec = (values.get(name) for name in ("docker_host", "docker_context", "engine_probe_sec"))
    looked = look(
        host if isinstance(host, str) else None, context if isinstance(context, str) else None,
        probe_sec if isinstance(probe_sec, float) else 1.0,
    )  # fmt: skip
    return None if looked.engine is not None else f", and {looked.why_none}"


def server_of(named: str | None, folder: Path) -> str | None:
    """The server that is named, or else the one that the worker of this folder has joined; None: neither. Blocking;
    raises CmdexecError."""
    if named is not None:
        return named
    joined = joined_in(folder)
    return joined.server if joined is not None else None


def _server(named: str | None, folder: Path, *, rejoin: bool) -> Iterator[Fault]:
    try:
        joined = joined_in(folder)
    except CmdexecError as wrong:
        if not rejoin:
            yield Fault("DATA_DIR", wrong.message, wrong.mend or "")
            return
        joined = None
    if named is None and joined is None:
        yield Fault("SERVER_URL", "This worker does not know its server.", "Name it as SERVER_URL (--server).")
    elif named is not None and joined is not None and not rejoin:
        fault = another_server(named, joined, folder)
        if fault is not None:
            yield fault


def _credential(named: Path | None, folder: Path, no_other: bool) -> Iterator[Fault]:
    file = named or folder / CREDENTIAL_FILE
    try:
        if named is not None or file.exists():
            read_credential(file)
        elif no_other and not has_credential(folder):
            raise nothing_to_show(file)
    except OSError:
        return  # of a folder that cannot be looked into more is told when it is taken
    except CmdexecError as wrong:
        yield Fault(wrong.field or "WORKER_CREDENTIAL_FILE", wrong.message, wrong.mend or "")
