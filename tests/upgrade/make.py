"""Keep a release for later upgrade tests: `python -m tests.upgrade.make`.

Builds the wheel, installs it into an empty environment, has that fill a store (`fill.py`), and puts both with
their sums into `tests/upgrade/VERSION/`. Run once a release, from a clean checkout of it.
"""

import hashlib
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from cmdexec.version import __version__

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / __version__
MOST_BYTES = 3_000_000


def run(*words: str | Path, home: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "PIP_CONFIG_FILE", "LANG") if name in os.environ}
    subprocess.run([str(word) for word in words], cwd=ROOT, env=kept | {"HOME": str(home)}, check=True)


def archive(folder: Path, target: Path) -> None:
    """The same files give the same bytes: no names of people, no times."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with lzma.open(target, "wb", preset=9) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder), recursive=False, filter=plain)


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        here = Path(made)
        home = here / "home"
        home.mkdir()
        run(sys.executable, "-m", "build", "--wheel", "--outdir", here / "wheel", ROOT, home=home)
        (wheel,) = (here / "wheel").glob("*.whl")
        run(sys.executable, "-m", "venv", here / "venv", home=home)
        run(here / "venv" / "bin" / "pip", "install", "-q", wheel, home=home)
        run(here / "venv" / "bin" / "python", "-m", "tests.upgrade.fill", here / "filled", home=home)
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir()
        shutil.copy(wheel, KEPT)
        shutil.copy(here / "filled" / "jobs.json", KEPT)
        archive(here / "filled" / "store", KEPT / "store.tar.xz")
    files = sorted(KEPT.iterdir())
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (KEPT / "SHA256SUMS").write_text(sums)
    size = sum(path.stat().st_size for path in files)
    print(f"{KEPT}: {size:,} bytes")
    if size > MOST_BYTES:
        sys.exit(f"That is more than the {MOST_BYTES:,} that may be kept of a release.")


if __name__ == "__main__":
    main()
