"""Long output takes no more memory than short output, stored and followed at once."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
ALLOWED_KIB = 20 * 1024


def peak_kib(folder: Path, mebibytes: int) -> int:
    """The most memory that a process took through which so much output went."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.server.output.long_output", str(folder), str(mebibytes)],
        cwd=ROOT, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_eighty_megabytes_take_hardly_more_memory_than_ten(tmp_path: Path) -> None:
    short, long = peak_kib(tmp_path / "short", 10), peak_kib(tmp_path / "long", 80)
    assert long - short <= ALLOWED_KIB, f"{short} KiB for 10 MiB, {long} KiB for 80 MiB"
