"""The file of a worker's black box, read, and changed as if its process or its machine had gone through something else:
the clocks and counters of a kernel cannot be turned by a test, but what was recorded of them can."""

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from cmdexec.model.absence import Vitals
from cmdexec.worker.blackbox.box import FILE
from cmdexec.worker.blackbox.records import SIZE, packed, unpacked
from tests.support.system import Process

HOUR_MS = 3_600_000


def recorded(data: Path) -> list[Vitals]:
    """What it holds, the oldest first."""
    image = (data / FILE).read_bytes()
    found = [unpacked(image[place : place + SIZE]) for place in range(0, len(image), SIZE)]
    return [one.vitals for one in sorted((one for one in found if one is not None), key=lambda one: one.number)]


def rewrite(data: Path, change: Callable[[Vitals], Vitals]) -> None:
    """Each record as `change` has it."""
    path = data / FILE
    image = bytearray(path.read_bytes())
    for place in range(0, len(image), SIZE):
        if (one := unpacked(image[place : place + SIZE])) is not None:
            image[place : place + SIZE] = packed(one.number, change(one.vitals))
    path.write_bytes(image)


def before_an_hour_of_sleep(one: Vitals) -> Vitals:
    """As written before the machine slept for an hour: all clocks that count that time stood so much earlier."""
    heard = (one.heard_at - HOUR_MS, one.heard - HOUR_MS) if one.heard else (0, 0)
    return replace(one, at=one.at - HOUR_MS, elapsed=one.elapsed - HOUR_MS, heard_at=heard[0], heard=heard[1])


def an_hour_earlier(one: Vitals) -> Vitals:
    """As written an hour ago by a machine that has not slept since."""
    return replace(before_an_hour_of_sleep(one), awake=one.awake - HOUR_MS)


def of_another_boot(one: Vitals) -> Vitals:
    """As written before the machine was started anew."""
    return replace(one, boot=bytes(16))


def of_another_group(one: Vitals) -> Vitals:
    """As written in a cgroup that is no more."""
    return replace(one, group=1)


def on_a_full_disk(one: Vitals) -> Vitals:
    """As written when nothing more fitted on the disk."""
    return replace(one, disk_free=0)


def with_one_more_kill(worker: Process, counter: Path, folder: Path) -> list[str]:
    """The worker's command, run where the file `counter` of the kernel says that one more process was killed for
    memory."""
    fake = folder / counter.name
    counted = counter.read_text()
    fake.write_text(re.sub(r"(?m)^(oom_kill) (\d+)$", lambda found: f"{found[1]} {int(found[2]) + 1}", counted))
    return [
        *_NAMESPACE, "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', str(fake), str(counter),
        *worker.arguments,
    ]  # fmt: skip


def after_another_start(command: Sequence[str], folder: Path) -> list[str]:
    """That command, run where the kernel says that the machine was started anew."""
    fake = folder / _BOOT_ID.name
    fake.write_text("00000000-0000-4000-8000-000000000001\n")
    return [
        *_NAMESPACE, "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', str(fake), str(_BOOT_ID),
        *command,
    ]  # fmt: skip


_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")


def can_mount() -> bool:
    """Whether a process here may have mounts of its own."""
    return subprocess.run([*_NAMESPACE, "true"], capture_output=True, timeout=20, check=False).returncode == 0
