"""The server can be imported where the modules that only POSIX systems have are not there."""

import subprocess
import sys

IMPORT_ALL = """
import sys
import aiohttp.web, aiohttp_jwt, apsw, argon2, asyncio, jwt

for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None

import pkgutil
import cmdexec.server

for found in pkgutil.walk_packages(cmdexec.server.__path__, "cmdexec.server."):
    if not found.name.endswith("_posix"):
        __import__(found.name)
        print(found.name)
"""


def test_nothing_but_files_named_so_needs_a_posix_system() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert {"cmdexec.server.run", "cmdexec.server.folder", "cmdexec.server.workers"} <= set(done.stdout.split())
