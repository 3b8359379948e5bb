"""The display of Windows. Not proven: nobody has run it there yet."""

import ctypes
import sys

_UOI_FLAGS = 1
_WSF_VISIBLE = 1


class _Flags(ctypes.Structure):
    """USEROBJECTFLAGS of winuser.h."""

    _fields_ = (("inherit", ctypes.c_int), ("reserved", ctypes.c_int), ("flags", ctypes.c_uint32))


def missing() -> str | None:
    return unreachable()


def unreachable() -> str | None:
    if sys.platform == "win32":
        user32, flags, needed = ctypes.windll.user32, _Flags(), ctypes.c_uint32()
        station = user32.GetProcessWindowStation()
        told = user32.GetUserObjectInformationW(
            station, _UOI_FLAGS, ctypes.byref(flags), ctypes.sizeof(flags), ctypes.byref(needed)
        )
        if told and flags.flags & _WSF_VISIBLE:
            return None
    return "this session has no desktop, as those of services"


def make_ready() -> None:
    """All that is needed comes along, or with the system."""
