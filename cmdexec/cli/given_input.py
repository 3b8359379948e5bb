"""The standard input of this process, read for the job that gets it: whole, before the job is submitted."""

import os
import select

from cmdexec.cli.told import tell
from cmdexec.errors import Refused
from cmdexec.protocol.requests import STDIN_MAX

_STDIN = 0
_PIECE = 64 * 1024
_LEAVE_OUT = "or leave it out with --no-stdin."


def given_input(tell_after_sec: float) -> bytes | None:
    """All of it, up to `STDIN_MAX` bytes; None where it is a terminal, which is not read, or empty.

    Waits for its end, and says so after `tell_after_sec` seconds without any of it. Raises Refused when there is more,
    or when it cannot be read.
    """
    if os.isatty(_STDIN):
        return None
    read, told = bytearray(), False
    try:
        while True:
            if not select.select([_STDIN], [], [], None if told else tell_after_sec)[0]:
                tell("Reading standard input to its end, to give it to the job; --no-stdin leaves it out.")
                told = True
                continue
            piece = os.read(_STDIN, _PIECE)
            if not piece:
                return bytes(read) or None
            read += piece
            if len(read) > STDIN_MAX:
                raise Refused(
                    "too_large", f"Standard input is longer than the {STDIN_MAX // 1024} KB that a job may be given.",
                    field="stdin", mend=f"Have the job read it from a file or an address of its own, {_LEAVE_OUT}",
                )  # fmt: skip
    except OSError as wrong:
        raise Refused(
            "invalid_field", f"Standard input cannot be read: {wrong.strerror}.", field="stdin",
            mend=f"Give it a file or a pipe, {_LEAVE_OUT}",
        ) from wrong  # fmt: skip
