"""What the commands end with, as data: help and documentation are made of it."""

from cmdexec.cli.outcome import CANCELLED, NOBODY_READS

OK = 0
FAILED = 1
WRITTEN_WRONGLY = 2

CODES: tuple[tuple[str, str], ...] = (
    (str(OK), "it was done"),
    (str(FAILED), "it was not done, and standard error says why"),
    (str(WRITTEN_WRONGLY), "the command was written wrongly"),
    (str(CANCELLED), "Ctrl-C ended it"),
    (str(NOBODY_READS), "nobody reads its output any more, as of SIGPIPE"),
)
"""Code → when, of every command that does not end as a job does."""
