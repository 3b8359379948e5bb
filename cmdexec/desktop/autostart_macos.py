"""Starting with the session on macOS: an agent of launchd. Not proven: nobody has run it there yet."""

import plistlib
from collections.abc import Sequence
from pathlib import Path

from cmdexec.desktop.autostart_entry import entry_name, home, line_of, remove, write


class Entry:
    """An `AutoStart`. `command`: how cmdexec itself is started; `config`: the settings file that was named."""

    def __init__(self, command: Sequence[str], config: Path | None = None) -> None:
        self._command, self._config = command, config

    def set(self, wanted: bool, folder: Path) -> None:
        label = f"io.cmdexec.{entry_name(folder)}"
        path = home() / "Library" / "LaunchAgents" / f"{label}.plist"
        if not wanted:
            remove(path)
            return
        arguments = line_of(self._command, folder, self._config)
        about = {"Label": label, "ProgramArguments": arguments, "RunAtLoad": True, "ProcessType": "Interactive"}
        write(path, plistlib.dumps(about).decode())
