"""What a worker cannot do without, beyond what is wrong with any one setting."""

from collections.abc import Iterator
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.settings.declare import Fault, Given
from cmdexec.worker.identity import CREDENTIAL_FILE, nothing_to_show, read_credential


def needs(values: Given) -> Iterator[Fault]:
    """A fault for each thing that is missing, so that all are told at once. It is a `Check`; a value that is faulty by
    itself is missing among `values`, and told of by itself. Blocking: it looks at the credential."""
    if "server_url" in values and values["server_url"] is None:
        yield Fault("SERVER_URL", "This worker does not know its server.", "Name it as SERVER_URL (--server).")
    if values.get("allow_host") is False:
        yield Fault(
            "ALLOW_HOST",
            "This worker has no way to run jobs: it may not run them as processes of this machine.",
            "Start it with --allow-host, if whoever may submit jobs may do what this user may do here.",
        )
    named, folder = values.get("worker_credential_file"), values.get("data_dir")
    if "worker_credential_file" in values and isinstance(folder, Path):
        yield from _credential(named if isinstance(named, Path) else None, folder, "worker_token_secret" in values and
                               values["worker_token_secret"] is None)  # fmt: skip


def _credential(named: Path | None, folder: Path, no_secret: bool) -> Iterator[Fault]:
    file = named or folder / CREDENTIAL_FILE
    try:
        if named is not None or file.exists():
            read_credential(file)
        elif no_secret:
            raise nothing_to_show(file)
    except OSError:
        return  # of a folder that cannot be looked into more is told when it is taken
    except CmdexecError as wrong:
        yield Fault(wrong.field or "WORKER_CREDENTIAL_FILE", wrong.message, wrong.mend or "")
