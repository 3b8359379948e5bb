"""A disk of a few MB that a test fills and frees: a tmpfs of its own, which goes with the test even after kill -9."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import until

_KEEPER = """
mount -t tmpfs -o "size=$2,mode=0700" cmdexec-test "$1" || exit 1
echo mounted
read -r _
umount "$1" 2>/dev/null || umount -l "$1"
"""
"""Mounts, and unmounts at the end of its input: the end of the test, however that comes."""

_BLOCK = 64 * 1024


class SmallDisk:
    """`path` is its top. The filler is a file of this disk: what fills a disk in life is seldom cmdexec itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    @property
    def free_bytes(self) -> int:
        room = os.statvfs(self.path)
        return room.f_bavail * room.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take all room but about `leave` bytes, whatever others write meanwhile."""
        block = bytes(_BLOCK)
        with self._filler.open("ab", buffering=0) as file:
            while (room := self.free_bytes - leave) > 0:
                try:
                    file.write(block[: min(room, _BLOCK)])
                except OSError as wrong:
                    if wrong.errno != errno.ENOSPC:
                        raise
                    return

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[SmallDisk]:
    """A disk of `size` bytes at `path`, a folder that is made."""
    path.mkdir(parents=True)
    keeper = subprocess.Popen(
        ["sh", "-c", _KEEPER, "sh", str(path), str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert keeper.stdout is not None
        if keeper.stdout.readline() != b"mounted\n":
            pytest.skip("needs the right to mount: run it as root, or below `unshare -rm`")
        yield SmallDisk(path)
    finally:
        keeper.communicate(timeout=20)
        until(lambda: not os.path.ismount(path), "the disk is unmounted")
