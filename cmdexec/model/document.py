"""`docs/transitions.md`, made from the table: `python -m cmdexec.model.document > docs/transitions.md`."""

import inspect
import sys
from textwrap import dedent

from cmdexec.model.transitions import GUARDS, TABLE, Guard, Rule

_START = """\
    # What can happen to a job

    <!-- Made by `python -m cmdexec.model.document > docs/transitions.md`; edit the rules, not this file. -->

    A job goes `scheduled → queued → assigned → running → completed | failed | cancelled`. `unknown` stands beside
    `running`: the lease of its worker ran out and its fate is not known; that is not an end.

    Each row is something that happens, each column where the job then stands. W is a worker's session, n the attempt
    that it speaks of. "–" is refused with `409 conflict`, and nothing changes. "cancel asked" is a flag of `running`.

    Before the table two rules hold for whatever a worker says of an attempt, in every column:

    """

_END = """\
    "Kept in history" is one line for each attempt and kind of message, however often that is sent.
    """


def transitions_page() -> str:
    """The whole page."""
    columns = ("scheduled, queued", "assigned n", "running n", "unknown n", "ended")
    lines = [f"{number}. {said(guard)}" for number, guard in enumerate(GUARDS, 1)]
    lines += ["", f"| event | {' | '.join(columns)} |", "| --- " * (len(columns) + 1) + "|"]
    for row in TABLE.values():
        says, *rules = row
        lines.append(f"| {says} | {' | '.join(said(rule) for rule in rules)} |")
    return f"{dedent(_START)}{chr(10).join(lines)}\n\n{dedent(_END)}"


def said(rule: Rule | Guard) -> str:
    """What a rule does, in the words of its docstring."""
    return " ".join(inspect.cleandoc(rule.__doc__ or "").split())


if __name__ == "__main__":
    sys.stdout.write(transitions_page())
