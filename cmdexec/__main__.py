"""The entry point: `cmdexec` and `python -m cmdexec`.

`--version` is answered here, before click is imported: scripts ask for it often, and click alone takes longer than
everything else this file does.
"""

import io
import os
import sys
from contextlib import suppress

from cmdexec.bundle import in_bundle, leave_environment
from cmdexec.version import __version__

_CANCELLED = 130
"""After Ctrl-C."""
_NOBODY_READS = 141
"""As `cmdexec run` ends then, and as a shell tells SIGPIPE."""


def main() -> None:
    """Answer `--version`, or hand over to the command line; end with its code."""
    leave_environment(os.environ)
    _open_what_is_closed()
    _buffer_output()
    code = _flushed(_run())
    if code == _CANCELLED:
        _end_by_the_code()
    if code:
        sys.exit(code)


def _run() -> int:
    if sys.argv[1:] == ["--version"]:
        with suppress(OSError):  # `_flushed` meets it again, and tells of it
            print(f"cmdexec {__version__}")
        return 0
    if in_bundle() and (warden := _warden()) is not None:
        return warden
    try:
        from cmdexec.cli.main import command_line
    except KeyboardInterrupt:  # Ctrl-C while it is still being loaded
        return _CANCELLED
    return command_line(sys.argv[1:])


def _warden() -> int | None:
    """Be a worker's warden, if that is what this process was started as: a bundle has no interpreter to run it by."""
    from cmdexec.worker.warden.command import IN_BUNDLE

    if sys.argv[1:2] != [IN_BUNDLE] or len(sys.argv) == 2:
        return None
    from cmdexec.worker.warden.begin import main

    return main(sys.argv[2:])


def _end_by_the_code() -> None:
    """Where Ctrl-C came during an `eval` (which named tuples make), the interpreter ends itself by SIGINT although the
    interrupt was caught: it remembers it from `run_eval_code_obj`. While SIGINT is blocked it ends with the code."""
    import signal

    block, how = getattr(signal, "pthread_sigmask", None), getattr(signal, "SIG_BLOCK", None)
    if block is not None:
        block(how, {signal.SIGINT})


def _open_what_is_closed() -> None:
    """Give each standard stream that the caller closed (`>&-`) the null device.

    Otherwise the next file or socket takes its number, and what is written to the stream goes there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


class _Output(io.FileIO):
    """Standard output. `failed`: the first failure to write it; a buffer keeps what could not be written only where it
    had room for it."""

    failed: OSError | None = None

    def write(self, data: bytes, /) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as wrong:
            self.failed = self.failed or wrong
            raise


def _buffer_output() -> None:
    """Also where PYTHONUNBUFFERED is set, so that `_flushed` learns of what could not be written."""
    old = sys.stdout
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(1, "w", closefd=False)), encoding=old.encoding, errors=old.errors,
        line_buffering=os.isatty(1),
    )  # fmt: skip


def _flushed(code: int) -> int:
    """`code`, or that of a failure to write the last of standard output, which is told.

    A stream that takes nothing is left alone from then on: the interpreter would try again at its end, and end with
    a code of its own.
    """
    try:
        sys.stdout.flush()
        if failed := getattr(getattr(sys.stdout.buffer, "raw", None), "failed", None):
            raise failed
    except OSError as wrong:
        sys.stdout = None
        code = code or (_NOBODY_READS if isinstance(wrong, BrokenPipeError) else 1)
        if not isinstance(wrong, BrokenPipeError):
            with suppress(OSError):
                print(f"cmdexec: Standard output cannot be written: {wrong.strerror}.", file=sys.stderr, flush=True)
    try:
        sys.stderr.flush()
    except OSError:
        sys.stderr = None
    return code


if __name__ == "__main__":
    main()
