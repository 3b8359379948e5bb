"""How many connections a server can take, as far as this system bounds open files."""

import sys

if sys.platform == "win32":
    from cmdexec.link.descriptors_windows import allow, room
else:
    from cmdexec.link.descriptors_posix import allow, room

__all__ = ["allow", "room"]
