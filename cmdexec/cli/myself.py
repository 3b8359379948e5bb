"""How this program starts itself: from a bundle, or by the interpreter that runs it."""

import sys


def myself(*arguments: str) -> list[str]:
    """The command line of another process of cmdexec."""
    if getattr(sys, "frozen", False):
        return [sys.executable, *arguments]
    return [sys.executable, "-m", "cmdexec", *arguments]
