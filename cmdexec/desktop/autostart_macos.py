"""Starting with the session on macOS: an agent of launchd. Not proven: nobody has run it there yet."""

import plistlib
from pathlib import Path

from cmdexec.desktop.autostart_entry import entry_name, write


class Entry:
    """An `AutoStart`. `command`: how cmdexec itself is started."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def set(self, wanted: bool, folder: Path) -> None:
        label = f"io.cmdexec.{entry_name(folder)}"
        path = Path.home() / "Library" / "LaunchAgents" / f"{label}.plist"
        if not wanted:
            path.unlink(missing_ok=True)
            return
        arguments = [*self._command, "worker", "--data-dir", str(folder)]
        about = {"Label": label, "ProgramArguments": arguments, "RunAtLoad": True, "ProcessType": "Interactive"}
        write(path, plistlib.dumps(about).decode())
