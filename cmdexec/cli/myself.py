"""How this program starts itself: from a bundle, or by the interpreter that runs it."""

import sys

from cmdexec.bundle import in_bundle


def myself(*arguments: str) -> list[str]:
    """The command line of another process of cmdexec."""
    if in_bundle():
        return [sys.executable, *arguments]
    return [sys.executable, "-m", "cmdexec", *arguments]
