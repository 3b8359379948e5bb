"""How memory that was freed is kept, where that can be chosen."""

import sys

if sys.platform == "win32":
    from cmdexec.link.memory_windows import give_back_large_blocks
else:
    from cmdexec.link.memory_posix import give_back_large_blocks

__all__ = ["give_back_large_blocks"]
