"""The display of macOS. Not proven: nobody has run it there yet."""

import ctypes
import ctypes.util
import os


def missing() -> str | None:
    if os.environ.get("SSH_CONNECTION"):
        return "this is a session over SSH"
    return None


def unreachable() -> str | None:
    found = ctypes.util.find_library("CoreGraphics")
    if found is None:
        return "the window server's library is not there"
    graphics = ctypes.CDLL(found)
    graphics.CGSessionCopyCurrentDictionary.restype = ctypes.c_void_p
    return None if graphics.CGSessionCopyCurrentDictionary() else "this session has no desktop"


def make_ready() -> None:
    """All that is needed comes along, or with the system."""
