"""Which SQLite this is, and whether it is one that keeps what is committed."""

import apsw

_MENDED = {(3, 50): 7, (3, 44): 6}
"""Older lines that got the mend later (sqlite.org, "WAL-reset bug"): from which release on."""


def version() -> str:
    """Of the library that is loaded."""
    return str(apsw.sqlite_lib_version())


def keeps_pages(of: str) -> bool:
    """Whether that version has the mend of 3.51.3: before, committed pages could be lost where one connection moved the
    log into the file while another wrote. Servers let one connection do both, so they are safe with any."""
    major, minor, release = (*map(int, of.split(".")[:3]), 0, 0)[:3]
    return (major, minor, release) >= (3, 51, 3) or release >= _MENDED.get((major, minor), release + 1)
