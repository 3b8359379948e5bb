"""Starting with the session, as this system does it."""

import sys

if sys.platform == "win32":
    from cmdexec.desktop.autostart_windows import Entry
elif sys.platform == "darwin":
    from cmdexec.desktop.autostart_macos import Entry
else:
    from cmdexec.desktop.autostart_linux import Entry

__all__ = ["Entry"]
