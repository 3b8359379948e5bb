"""How a private server and its worker learn that the command which started them is gone, however that ended."""

import sys

if sys.platform == "win32":
    from cmdexec.cli.lifeline_windows import FILE, Lifeline, abandoned, hanging_on
else:
    from cmdexec.cli.lifeline_posix import FILE, Lifeline, abandoned, hanging_on

__all__ = ["FILE", "Lifeline", "abandoned", "hanging_on"]
