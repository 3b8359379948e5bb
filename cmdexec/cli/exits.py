"""What the commands end with, as data: help and documentation are made of it."""

OK = 0
FAILED = 1
WRITTEN_WRONGLY = 2

CODES: tuple[tuple[str, str], ...] = (
    ("0", "it was done"),
    ("1", "it was not done, and standard error says why"),
    ("2", "the command was written wrongly"),
    ("130", "Ctrl-C ended it"),
    ("141", "nobody reads its output any more, as of SIGPIPE: `cmdexec jobs | head -1`"),
)
"""Code → when, of every command that does not end as a job does."""
