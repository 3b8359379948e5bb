"""What is another thing on each system: one file each, behind the same interface."""

import sysconfig
from importlib import import_module
from typing import Any, Protocol, cast

from cmdexec.worker.page.host import AutoStart

_SUFFIXES = {"win": "windows", "macosx": "macos"}


class Display(Protocol):
    """Whether a window can be shown in this session, found out without showing one."""

    def missing(self) -> str | None:
        """Why there is none, as the end of a sentence, as far as that is seen at a glance; None: there may be one."""
        ...

    def unreachable(self) -> str | None:
        """Why it cannot be used, found out by trying, which may take a while; None: it can."""
        ...

    def make_ready(self) -> None:
        """Have what draws windows be found: it may belong to the system, and not to this Python."""
        ...


def display() -> Display:
    """This system's."""
    return cast(Display, _chosen("display"))


def auto_start(command: list[str]) -> AutoStart:
    """This system's; `command`: how cmdexec itself is started."""
    made: AutoStart = _chosen("autostart").Entry(command)
    return made


def _chosen(name: str) -> Any:
    """The module, whose interface the callers name."""
    system = sysconfig.get_platform().partition("-")[0]
    return import_module(f"cmdexec.desktop.{name}_{_SUFFIXES.get(system, 'linux')}")
