"""Whether and how text is coloured: on a terminal that wants it (no-color.org, bixense.com/clicolors)."""

import os
from typing import TextIO

BOLD, DIM, RED, GREEN, YELLOW, BLUE = "1", "2", "31", "32", "33", "34"


def in_colour(stream: TextIO | None) -> bool:
    """NO_COLOR decides, then CLICOLOR_FORCE, else whether `stream` is a terminal that can."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return os.environ.get("TERM") != "dumb" and stream is not None and stream.isatty()


def painted(text: str, style: str | None) -> str:
    """`text` in that style; as it is without one."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text
