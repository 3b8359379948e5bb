"""What people install is the wheel, and it is whole: first job and first page, with nothing of this checkout."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support import proc
from tests.support.system import Server, clean_environment, ends
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


def called(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], cwd=cwd, env=clean_environment(HOME=str(cwd), PYTHONPATH="", TMPDIR=str(cwd)),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment, which has the wheel, and what it depends on from this one."""
    tmp_path = tmp_path_factory.mktemp("installed")
    here, venv = tmp_path / "wheel", tmp_path / "venv"
    built = called(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", here, ROOT, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = here.glob("*.whl")
    made = called(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    added = called(
        sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "install", "--quiet", "--no-deps",
        "--no-index", "--no-cache-dir", wheel, cwd=tmp_path,
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    (packages,) = venv.glob("lib/python*/site-packages")
    others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "of_the_tests.pth").write_text("".join(f"{one}{os.linesep}" for one in sorted(others)))
    where = called(venv / "bin" / "python", "-c", "import cmdexec; print(cmdexec.__file__)", cwd=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(packages), "the test would be one of this checkout"
    return venv / "bin" / "cmdexec"


def test_the_installed_command_runs_a_job(installed: Path, tmp_path: Path) -> None:
    done = called(installed, "run", "--standalone", "--", "sh", "-c", "echo x; echo y >&2; exit 7", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (7, "x\n", "y\n")


def test_the_installed_command_serves_the_first_page_and_runs_the_first_job(installed: Path, tmp_path: Path) -> None:
    server = Server(tmp_path / "here", "--with-worker")
    server.command = (str(installed),)
    with ends(server):
        server.start()
        api = server.api()
        page = api.call("GET", "/")[2].decode()
        named = re.findall(r'(?:src|href)="(/[^"]+/[0-9a-f]{16}/([^"]+))"', page)
        assert {"main.js", "tokens.css", "css/base.css"} <= {name for _, name in named}
        for path, name in named:
            assert api.call("GET", path)[2] == (ROOT / "webui" / name).read_bytes(), name
        job = api.wait_status(api.create({"command": "echo from the wheel"})["jobId"], "completed")
        assert api.output(job["jobId"]) == b"from the wheel\n"
        assert server.stop() == 0
    until(lambda: not proc.with_marker(str(tmp_path)), "server and worker have ended")
