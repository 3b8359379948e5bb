"""What a bundle needs that an installation does not: this program as one folder, or as one file that unpacks itself.

PyInstaller's loader sets variables for itself before Python begins. Whatever is started from here, and above all a job,
is not to inherit them: programs of the machine would load the bundle's libraries, and this program, started again,
would take itself for a part of the first one and use a folder that goes with it.

The one file is two processes: the loader, which unpacks and waits, and its child, which is this one. The loader passes
on each signal that it gets; one that was sent to both of them, as Ctrl-C in a terminal is, comes twice.
"""

import os
import sys
from collections.abc import Callable, MutableMapping

_LIBRARIES = "LD_LIBRARY_PATH"
_LIBRARIES_BEFORE = f"{_LIBRARIES}_ORIG"
_OF_THE_LOADER = ("_PYI_", "_MEIPASS2")
_ECHO_SEC = 0.05
"""So much later at most comes the second of two; nobody presses a key twice in that time."""

_left: dict[str, str] = {}


def in_bundle() -> bool:
    """Whether this is a bundle of either kind."""
    return bool(getattr(sys, "frozen", False))


def in_one_file() -> bool:
    """Whether it is the one file, which has unpacked itself into a temporary folder."""
    unpacked = getattr(sys, "_MEIPASS", None)
    return in_bundle() and unpacked is not None and not _is_below(unpacked, os.path.dirname(sys.executable))


def leave_environment(environment: MutableMapping[str, str]) -> None:
    """Take the loader's variables out of `environment`, and give back what it had replaced. Outside a bundle nothing
    changes: what is named so there is somebody else's."""
    if not in_bundle():
        return
    for name in [name for name in environment if name.startswith(_OF_THE_LOADER)]:
        _left[name] = environment.pop(name)
    before = environment.pop(_LIBRARIES_BEFORE, None)
    if _LIBRARIES in environment:
        _left[_LIBRARIES] = environment.pop(_LIBRARIES)
    if before:
        environment[_LIBRARIES] = before


def environment_of_a_part() -> dict[str, str]:
    """All that a process of this program needs which uses what this one has unpacked, and is one process itself. It
    must have loaded all it needs before this one ends: that folder goes then."""
    return dict(_left)


def once(act: Callable[[], object]) -> Callable[[], None]:
    """`act` as the handler of a signal: in the one file, the loader's echo of the same one is not heard. Called on the
    event loop."""
    alone = not in_one_file()
    heard = False

    def forget() -> None:
        nonlocal heard
        heard = False

    def told() -> None:
        nonlocal heard
        if alone:
            act()
        elif not heard:
            import asyncio

            heard = True
            asyncio.get_running_loop().call_later(_ECHO_SEC, forget)
            act()

    return told


def _is_below(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), ""))
