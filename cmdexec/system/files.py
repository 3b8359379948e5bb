"""Files as this system has them: whose they are, locks, and reading and writing at a place."""

import sys

if sys.platform == "win32":
    from cmdexec.system.files_windows import (
        CLOSED_ON_EXEC,
        NO_LINKS,
        close_to_others,
        free_bytes,
        is_another_users,
        is_shared,
        lock,
        locked,
        open_to_others,
        read_at,
        sync_folder,
        write_at,
    )  # fmt: skip
else:
    from cmdexec.system.files_posix import (
        CLOSED_ON_EXEC,
        NO_LINKS,
        close_to_others,
        free_bytes,
        is_another_users,
        is_shared,
        lock,
        locked,
        open_to_others,
        read_at,
        sync_folder,
        write_at,
    )  # fmt: skip

__all__ = [
    "CLOSED_ON_EXEC", "NO_LINKS", "close_to_others", "free_bytes", "is_another_users", "is_shared", "lock", "locked",
    "open_to_others", "read_at", "sync_folder", "write_at",
]  # fmt: skip
