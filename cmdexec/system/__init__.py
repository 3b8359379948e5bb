"""What every system does in its own way, behind one interface each: `files`, `machine`, `signals`.

A module without a suffix chooses, at import, between those with one (`_posix`, `_macos`, `_windows`) that hold the same
names, and does nothing else; so does every other such module of cmdexec. Nothing asks later which system it is on.
"""
