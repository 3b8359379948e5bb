"""What a command answers on standard output: for people in words and columns, for programs as JSON."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from cmdexec.cli.outcome import NOBODY_READS
from cmdexec.cli.told import tell

_NARROWEST = 20


def on_terminal() -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout is not None and sys.stdout.isatty()


def width() -> int:
    """The columns that a line may have; COLUMNS counts before what the terminal says."""
    return max(shutil.get_terminal_size((80, 24)).columns, _NARROWEST)


def print_lines(lines: Iterable[str]) -> None:
    """Print whole lines at once; what standard output cannot encode is escaped. Raises click's Exit if nobody reads."""
    text = "".join(f"{line}\n" for line in lines)
    _write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


def print_json(*values: Any) -> None:
    """One JSON object a line, in UTF-8, with the names that the API has. Raises click's Exit if nobody reads."""
    import msgspec

    encoder = msgspec.json.Encoder()
    _write(b"".join(encoder.encode(value) + b"\n" for value in values))


@contextmanager
def or_told(done: str) -> Iterator[None]:
    """Where the answer of what was done cannot be printed, `done` says on standard error that it was; that it cannot be
    printed goes on as OSError."""
    try:
        yield
    except OSError:
        tell(done)
        raise


def unwritten(wrong: OSError) -> click.ClickException:
    """What to say of standard output that cannot be written, other than that nobody reads it."""
    return click.ClickException(f"Standard output cannot be written: {wrong.strerror}.")


def _write(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _drop_what_is_left()
        raise click.exceptions.Exit(NOBODY_READS) from None


def _drop_what_is_left() -> None:
    """Send it where it troubles nobody: the end of the process would try to write it once more."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
