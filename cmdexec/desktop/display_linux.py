"""The display of Linux and its relatives: X11 or Wayland, over the system's GTK and WebKit."""

import ctypes
import ctypes.util
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_SYSTEMS_PACKAGES = (
    Path("/usr/lib/python3/dist-packages"), *sorted(Path("/usr/lib64").glob("python3.*/site-packages")),
    *sorted(Path("/usr/lib").glob("python3.*/site-packages")),
)  # fmt: skip
"""Where distributions put the Python parts of GTK (Debian; Fedora; Arch; and their relatives)."""

_ITS_PACKAGES = ("gi", "cairo")


def missing() -> str | None:
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        return "neither DISPLAY nor WAYLAND_DISPLAY is set, so there is no display"
    return None


def unreachable() -> str | None:
    if os.environ.get("WAYLAND_DISPLAY"):
        named = Path(os.environ.get("XDG_RUNTIME_DIR", "/run"), os.environ["WAYLAND_DISPLAY"])
        if named.is_socket():
            return None
    if not (name := os.environ.get("DISPLAY")):
        return f"the Wayland display {os.environ.get('WAYLAND_DISPLAY')} is not there"
    library = ctypes.util.find_library("X11") or "libX11.so.6"
    try:
        x11 = ctypes.CDLL(library)
    except OSError:
        return "the library of X11 (libX11) is not installed"
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    opened = x11.XOpenDisplay(name.encode())
    if not opened:
        return f"the display {name} cannot be opened"
    x11.XCloseDisplay(opened)
    return None


def make_ready() -> None:
    """The system's `gi` is taken where this Python has none and can load that one."""
    if importlib.util.find_spec("gi") is None and (folder := _with_gi(_SYSTEMS_PACKAGES)) is not None:
        sys.meta_path.append(_Borrowed(str(folder)))
    os.environ.setdefault("NO_AT_BRIDGE", "1")  # else GTK complains where no service for readers runs


def _with_gi(folders: Sequence[Path]) -> Path | None:
    """The first of them that has a `gi` made for this Python."""
    for folder in folders:
        if any((folder / "gi" / f"_gi{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
            return folder
    return None


class _Borrowed(MetaPathFinder):
    """Finds these packages, and nothing else, in a folder of the system's."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [self._folder], target) if fullname in _ITS_PACKAGES else None
