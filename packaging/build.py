"""Makes cmdexec one folder and one file that need no Python, and reports what they weigh and how quickly they start.

    python packaging/build.py [--folder] [--one-file] [--out dist] [--no-strip] [--no-report]

Without `--folder` or `--one-file` both are made: `OUT/cmdexec/`, whose program is `cmdexec` in it, and
`OUT/cmdexec-one-file`. On Linux their libraries are stripped of symbols, where binutils are there. See
docs/packaging.md.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("folder", "one-file")


def main() -> int:
    """The exit code: PyInstaller's, if it failed, or that of the report."""
    said = _said()
    # Without the latter all would be built, but for the window.
    for module, name in (("PyInstaller", "PyInstaller"), ("webview", "pywebview")):
        if importlib.util.find_spec(module) is None:
            print(f"{name} is not installed here: pip install -e '.[dev]'", file=sys.stderr)
            return 2
    options = [f"--{kind}" for kind in KINDS if said[kind.replace("-", "_")]]
    if said["strip"] and sys.platform == "linux":
        if shutil.which("strip"):
            options.append("--strip")
        else:
            print("There is no `strip` here (binutils): what is built is larger for that.", file=sys.stderr)
    out = Path(str(said["out"])).absolute()
    code = subprocess.run(
        [
            sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", "--distpath", str(out),
            "--workpath", str(out / "build"), str(ROOT / "cmdexec.spec"), "--", *options,
        ],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    ).returncode  # fmt: skip
    if code == 0 and said["report"]:
        report = [sys.executable, str(ROOT / "packaging" / "report.py"), str(out)]
        code = subprocess.run(report, cwd=ROOT, check=False).returncode
    return code


def _said() -> dict[str, str | bool]:
    parser = argparse.ArgumentParser(description="Make cmdexec one folder and one file.")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", action="store_true", help=f"only the {kind.replace('-', ' ')}")
    parser.add_argument("--out", default=str(ROOT / "dist"), help="where they go (dist)")
    parser.add_argument("--no-strip", dest="strip", action="store_false", help="keep the symbols of libraries")
    parser.add_argument("--no-report", dest="report", action="store_false", help="measure nothing")
    return vars(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
