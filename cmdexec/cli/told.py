"""What cmdexec itself says on standard error: whole lines, marked as its own, and never what could steer a terminal."""

import sys
from collections.abc import Iterable

from cmdexec.cli.colour import in_colour
from cmdexec.errors import CmdexecError
from cmdexec.settings.declare import Fault
from cmdexec.settings.load import SettingsError


def tell(message: str) -> None:
    """Say `message` to the person; that nobody reads it is no failure."""
    mark = "\x1b[1mcmdexec:\x1b[0m" if in_colour(sys.stderr) else "cmdexec:"
    text = "\n".join(f"{mark} {printable(line)}" for line in message.splitlines())
    try:
        sys.stderr.write(f"{text}\n")  # in one piece: the log writes there as well
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def tell_error(wrong: CmdexecError) -> None:
    """Say what is wrong and what to do about it."""
    if isinstance(wrong, SettingsError):
        tell("\n".join(str(fault) for fault in wrong.faults))
    else:
        named = wrong.code == "not_found" or f"`{wrong.field}`" in wrong.message
        field = f"{wrong.field}: " if wrong.field and not named else ""
        tell(f"{field}{wrong}")


def tell_warnings(warnings: Iterable[Fault]) -> None:
    """Say what can be used and is hardly meant so."""
    for warning in warnings:
        tell(f"Warning: {warning}")


def printable(text: str) -> str:
    """`text` with every character escaped that a terminal would not simply show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)
