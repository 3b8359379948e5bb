"""Starting with the session on Windows: a value of the user's Run key. Not proven: nobody has run it there yet."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cmdexec.desktop.autostart_entry import entry_name, line_of

_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"


class Entry:
    """An `AutoStart`. `command`: how cmdexec itself is started; `config`: the settings file that was named."""

    def __init__(self, command: Sequence[str], config: Path | None = None) -> None:
        self._command, self._config = command, config

    def set(self, wanted: bool, folder: Path) -> None:
        name, line = entry_name(folder), subprocess.list2cmdline(line_of(self._command, folder, self._config))
        if sys.platform == "win32":
            import winreg

            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, _KEY) as key:
                if wanted:
                    winreg.SetValueEx(key, name, 0, winreg.REG_SZ, line)
                    return
                try:
                    winreg.DeleteValue(key, name)
                except FileNotFoundError:
                    return
