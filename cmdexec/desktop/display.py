"""Whether a window can be shown in this session, found out without showing one.

missing      why there is no display, as the end of a sentence, as far as that is seen at a glance; None: there may be
             one
unreachable  why it cannot be used, found out by trying, which may take a while; None: it can
make_ready   has what draws windows be found: it may belong to the system, and not to this Python
"""

import sys

if sys.platform == "win32":
    from cmdexec.desktop.display_windows import make_ready, missing, unreachable
elif sys.platform == "darwin":
    from cmdexec.desktop.display_macos import make_ready, missing, unreachable
else:
    from cmdexec.desktop.display_linux import make_ready, missing, unreachable

__all__ = ["make_ready", "missing", "unreachable"]
