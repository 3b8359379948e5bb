"""How the bench says that something could not be measured."""

from cmdexec.errors import CmdexecError


def failed(message: str, *, mend: str | None = None) -> CmdexecError:
    """The error to raise: `message` says what, and with which value."""
    return CmdexecError("bench_failed", message, mend=mend)
