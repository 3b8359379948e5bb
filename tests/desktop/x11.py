"""What a window manager does when a close button is pressed: asks the window to close (ICCCM, 4.2.8.1)."""

import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_CLIENT_MESSAGE = 33


class _ClientMessage(ctypes.Structure):
    """XClientMessageEvent with 32-bit data, padded to the size of an XEvent."""

    _fields_ = (
        ("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("pad", ctypes.c_long * 24),
    )  # fmt: skip


@contextmanager
def _display(name: str) -> Iterator[tuple[Any, int]]:
    x11 = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    for function in ("XDefaultRootWindow", "XInternAtom"):
        getattr(x11, function).restype = ctypes.c_ulong
    opened = x11.XOpenDisplay(name.encode())
    assert opened, f"no display {name}"
    yield x11, opened
    x11.XCloseDisplay(ctypes.c_void_p(opened))


def _windows(x11: Any, display: int) -> list[int]:
    """Those right below the root that take part in being closed."""
    root, parent = ctypes.c_ulong(), ctypes.c_ulong()
    children, count = ctypes.POINTER(ctypes.c_ulong)(), ctypes.c_uint()
    x11.XQueryTree(
        ctypes.c_void_p(display), ctypes.c_ulong(x11.XDefaultRootWindow(ctypes.c_void_p(display))), ctypes.byref(root),
        ctypes.byref(parent), ctypes.byref(children), ctypes.byref(count),
    )  # fmt: skip
    found = []
    for at in range(count.value):
        atoms, number = ctypes.POINTER(ctypes.c_ulong)(), ctypes.c_int()
        of = ctypes.c_ulong(children[at])
        if x11.XGetWMProtocols(ctypes.c_void_p(display), of, ctypes.byref(atoms), ctypes.byref(number)):
            found.append(children[at])
    return found


def press_close(name: str) -> int:
    """Ask all windows of that display to close; how many there are."""
    with _display(name) as (x11, display):
        pointer = ctypes.c_void_p(display)
        protocols = x11.XInternAtom(pointer, b"WM_PROTOCOLS", 0)
        delete = x11.XInternAtom(pointer, b"WM_DELETE_WINDOW", 0)
        windows = _windows(x11, display)
        for window in windows:
            event = _ClientMessage(_CLIENT_MESSAGE, 0, 1, display, window, protocols, 32)
            event.data[0] = delete
            x11.XSendEvent(pointer, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(event))
        x11.XSync(pointer, 0)
        return len(windows)
