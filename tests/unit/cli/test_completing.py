"""What a shell completes of values: choices, words with commas between them, programs; and files by itself."""

import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from cmdexec.cli.completion import VARIABLE
from tests.support.system import clean_environment
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("cmdexec submit --on-lost re", ["plain,requeue"]),
        ("cmdexec run --retry-on s", ["plain,signal"]),
        ("cmdexec run --retry-on oom,ex", ["plain,oom,exit"]),
        ("cmdexec serve --log-level w", ["plain,warning"]),
        ("cmdexec worker --limits c", ["plain,cgroup"]),
        ("cmdexec submit --file /etc/hostn", ["file,/etc/hostn"]),
        ("cmdexec serve --data-dir /tm", ["file,/tm"]),
        ("cmdexec submit -i /etc/hostn", ["file,/etc/hostn"]),
        ("cmdexec run -- cat /etc/hostn", ["file,/etc/hostn"]),
        ("cmdexec run -- /bin/c", ["file,/bin/c"]),
        ("cmdexec run -- a-prog", ["plain,a-program"]),
        ("cmdexec run a-prog", ["plain,a-program"]),
    ],
)
def test_values_are_completed(words: str, found: list[str], tmp_path: Path) -> None:
    (tmp_path / "a-program").write_text("")
    (tmp_path / "a-program").chmod(0o700)
    (tmp_path / "a-programs-notes").write_text("")
    given = {VARIABLE: "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    environment = clean_environment(**given) | {"PATH": f"{tmp_path}:/nowhere:"}
    told = subprocess.run(
        [sys.executable, "-m", "cmdexec"], capture_output=True, timeout=20, env=environment, check=False
    )
    assert told.stdout.decode().splitlines() == found, told.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_the_names_of_files(tmp_path: Path) -> None:
    """In a terminal, since that is where it does."""
    (tmp_path / "of-jobs.ndjson").write_text("")
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    pid, terminal = pty.fork()
    if pid == 0:
        environment = clean_environment(HOME=str(tmp_path), TERM="dumb", PS1="> ") | {"PATH": path}
        os.execve(shutil.which("bash") or "", ["bash", "--norc", "-i"], environment)
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 24, 400, 0, 0))  # so that no line is broken
    shown = bytearray()

    def shows(text: str) -> None:
        def there() -> bool:
            if select.select([terminal], [], [], 0.1)[0]:
                shown.extend(os.read(terminal, 65536))
            return text.encode() in shown

        until(there, f"{text!r} in the terminal", 20)

    try:
        os.write(terminal, b'eval "$(cmdexec completion bash)"; echo re""ady\n')
        shows("ready")
        os.write(terminal, f"cmdexec submit --file {tmp_path}/of-j\t".encode())
        shows(f"{tmp_path}/of-jobs.ndjson")
        os.write(terminal, f"\x15cmdexec run -- cat {tmp_path}/of-j\t".encode())
        shows(f"cat {tmp_path}/of-jobs.ndjson")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
