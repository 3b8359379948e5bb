"""Starting with the session as desktops of freedesktop.org do it: an entry in the autostart folder.

https://specifications.freedesktop.org/autostart-spec/latest/ and
https://specifications.freedesktop.org/desktop-entry-spec/latest/exec-variables.html
"""

import os
from collections.abc import Sequence
from pathlib import Path

from cmdexec.desktop.autostart_entry import entry_name, home, line_of, remove, write


class Entry:
    """An `AutoStart`. `command`: how cmdexec itself is started; `config`: the settings file that was named."""

    def __init__(self, command: Sequence[str], config: Path | None = None) -> None:
        self._command, self._config = command, config

    def set(self, wanted: bool, folder: Path) -> None:
        path = _folder() / f"{entry_name(folder)}.desktop"
        if not wanted:
            remove(path)
            return
        line = " ".join(map(_quoted, line_of(self._command, folder, self._config)))
        content = (
            "[Desktop Entry]\nType=Application\nName=cmdexec worker\nComment=Runs the jobs of a cmdexec server\n"
            f"Exec={line}\nTerminal=false\nX-GNOME-Autostart-enabled=true\n"
        )
        if not path.exists() or path.read_text("utf-8") != content:
            write(path, content)


def _folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or home() / ".config") / "autostart"


def _quoted(argument: str) -> str:
    """As the specification has it: in quotes, its own characters escaped twice, `%` doubled."""
    inner = argument.replace("\\", "\\\\")
    for mark in ('"', "`", "$"):
        inner = inner.replace(mark, f"\\{mark}")
    return '"' + inner.replace("\\", "\\\\").replace("%", "%%") + '"'
