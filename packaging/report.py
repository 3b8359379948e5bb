"""What the builds in a folder weigh, and how quickly they start beside the floor: Python itself, doing nothing.

    python packaging/report.py [OUT]

Prints a table, and writes the same to OUT/report.json: `bytes` (of all files; of the folder also packed as .tar.gz),
`versionMs` (`--version`, from start to end) and `serveMs` (`serve` on a fresh folder, until `/api/health` answers that
it is well), each the median and the least of several runs, beside `floorMs` of the Python that measures.
"""

import gzip
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

RUNS, SERVES = 7, 5
WITHIN_SEC = 60.0
STEP_SEC = 0.002
MB = 1_000_000
LARGEST_FOLDER_MB = 60

PLACES = {"folder": "cmdexec/cmdexec", "one file": "cmdexec-one-file"}


def main(out: Path) -> int:
    """1 when there is nothing to measure, or the folder is larger than it may be."""
    suffix = ".exe" if os.name == "nt" else ""
    built = {kind: out / f"{place}{suffix}" for kind, place in PLACES.items()}
    built = {kind: path for kind, path in built.items() if path.is_file()}
    if not built:
        print(f"There is nothing to measure in {out}: python packaging/build.py", file=sys.stderr)
        return 1
    installed = [sys.executable, "-m", "cmdexec"]
    report: dict[str, object] = {"python": sys.version.split()[0], "platform": sys.platform}
    report["floorMs"] = _times(lambda: _ran([sys.executable, "-c", "pass"]), RUNS)
    report["installed"] = _starts(installed)
    for kind, path in built.items():
        report[kind] = {**_weight(path, whole=kind == "folder"), **_starts([str(path)])}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("\n".join(_table(report, ["installed", *built])))
    folder = report.get("folder")
    heavy = isinstance(folder, dict) and folder["bytes"] > LARGEST_FOLDER_MB * MB
    if heavy:
        print(f"The folder is larger than the {LARGEST_FOLDER_MB} MB that it may be.", file=sys.stderr)
    return int(heavy)


def _weight(program: Path, *, whole: bool) -> dict[str, int]:
    if not whole:
        return {"bytes": program.stat().st_size}
    files = [path for path in program.parent.rglob("*") if path.is_file() and not path.is_symlink()]
    packed = _Counted()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w|") as tar:
        tar.add(program.parent, program.parent.name)
    return {"bytes": sum(path.stat().st_size for path in files), "packedBytes": packed.count, "files": len(files)}


class _Counted(io.RawIOBase):
    """Takes bytes, and keeps their number."""

    count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        self.count += size
        return size


def _starts(program: Sequence[str]) -> dict[str, dict[str, float]]:
    return {
        "versionMs": _times(lambda: _ran([*program, "--version"]), RUNS),
        "serveMs": _times(lambda: _served(program), SERVES),
    }


def _times(one: Callable[[], float], runs: int) -> dict[str, float]:
    one()  # what is on disk is in memory afterwards
    all_of_them = [one() * 1000 for _ in range(runs)]
    return {"median": round(statistics.median(all_of_them), 1), "least": round(min(all_of_them), 1)}


def _ran(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _served(program: Sequence[str]) -> float:
    """Seconds to the first healthy answer of a server on a port that it chooses."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        began = time.perf_counter()
        server = subprocess.Popen(
            [*program, "serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", str(data), "--log-level", "error"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        try:
            while not _healthy(data / "runtime.json"):
                if server.poll() is not None or time.perf_counter() - began > WITHIN_SEC:
                    raise SystemExit(f"{' '.join(program)} serve did not start.")
                time.sleep(STEP_SEC)
            return time.perf_counter() - began
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(WITHIN_SEC)


def _healthy(runtime: Path) -> bool:
    try:
        url = json.loads(runtime.read_text())["url"]
        with urllib.request.urlopen(f"{url}/api/health", timeout=5) as answer:  # noqa: S310 - the server just started
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _table(report: dict[str, object], kinds: Sequence[str]) -> list[str]:
    lines = [f"{'':10} {'size MB':>8} {'packed':>7} {'--version ms':>13} {'serve ms':>9}   (medians)"]
    floor = report["floorMs"]
    assert isinstance(floor, dict)
    lines.append(f"{'Python':10} {'':>8} {'':>7} {floor['median']:13.0f}")
    for kind in kinds:
        of = report[kind]
        assert isinstance(of, dict)
        size = f"{of['bytes'] / MB:.1f}" if "bytes" in of else ""
        packed = f"{of['packedBytes'] / MB:.1f}" if "packedBytes" in of else ""
        times = f"{of['versionMs']['median']:13.0f} {of['serveMs']['median']:9.0f}"
        lines.append(f"{kind:10} {size:>8} {packed:>7} {times}")
    return lines


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
