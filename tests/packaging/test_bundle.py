"""cmdexec as one folder and as one file, copied alone to an empty folder and run with an empty environment."""

import os
import re
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from cmdexec.version import __version__
from tests.desktop.test_window import screen
from tests.packaging.conftest import ROOT, Bundle
from tests.support.proc import alive, children, said_of
from tests.support.waiting import until

pytestmark = [
    pytest.mark.timeout(300),  # whoever comes first waits for the build
    pytest.mark.skipif(sys.platform != "linux", reason="bundles are proved on Linux alone"),
]

__all__ = ["screen"]

LARGEST_FOLDER_BYTES = 60_000_000
OF_A_JOB = {"PATH", "HOME", "LANG", "CMDEXEC_JOB_ID", "CMDEXEC_ATTEMPT"}
OF_A_SHELL = {"PWD", "OLDPWD", "SHLVL", "_"}


def variables(printed: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in printed.splitlines())


def descendants(pid: int, at_least: int) -> set[int]:
    found = children(pid)
    return found if len(found) >= at_least else set()


def test_it_says_which_version_it_is(bundle: Bundle) -> None:
    done = bundle.call("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"cmdexec {__version__}\n", "")


def test_it_says_that_it_cannot_measure(bundle: Bundle) -> None:
    done = bundle.call("bench", "--quick")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cmdexec: A bundle cannot measure")


def test_the_folder_is_as_light_as_it_has_to_be(built: Path) -> None:
    files = [path for path in (built / "cmdexec").rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) <= LARGEST_FOLDER_BYTES
    assert not [path for path in files if re.match(r"lib(gtk|glib|webkit|X|stdc)", path.name)], "left to the machine"


def test_a_job_of_its_own_server_and_worker_sees_nothing_of_the_bundle(bundle: Bundle) -> None:
    """Neither do they of each other: each that is one file has unpacked itself, but the warden, which is its worker's
    part. So none of them misses anything when the one that started it has gone."""
    temporary = bundle.place / "temporary"
    temporary.mkdir()
    line = f"env; ls {temporary} >&2"
    done = bundle.call("run", "--standalone", line, LD_LIBRARY_PATH="/of/the/caller", TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert set(variables(done.stdout)) - OF_A_SHELL == OF_A_JOB
    unpacked = [name for name in done.stderr.splitlines() if name.startswith("_MEI")]
    assert len(unpacked) == (0 if bundle.kind == "folder" else len(["command", "server", "worker"]))
    until(lambda: not list(temporary.iterdir()), "what they unpacked is gone")


def test_it_serves_its_pages_and_its_worker_runs_jobs(bundle: Bundle) -> None:
    with bundle.serves() as api, bundle.works(api, "--headless"):
        page = api.call("GET", "/")[2].decode()
        named = re.findall(r'(?:src|href)="(/[^"]+/[0-9a-f]{16}/([^"]+))"', page)
        assert {"main.js", "tokens.css", "css/base.css"} <= {name for _, name in named}
        for path, name in named:
            assert api.call("GET", path)[2] == (ROOT / "webui" / name).read_bytes(), name
        assert b"<style>" in api.call("GET", "/api/docs")[2]
        job = api.create({"command": "env; echo $PPID >&2"})["jobId"]
        api.wait_status(job, "completed")
        assert set(variables(api.output(job).decode())) - OF_A_SHELL == OF_A_JOB
        warden = int(api.output(job, "stderr"))
        assert Path(f"/proc/{warden}/cmdline").read_bytes().split(b"\0")[1] == b"_warden"


def test_without_a_display_the_worker_says_so_and_works_without_a_window(bundle: Bundle) -> None:
    with bundle.serves() as api, bundle.works(api) as worker:
        until(lambda: api.ask("GET", "/api/workers/list")["workers"], "the worker has connected")
        said = next(line for line in worker.log.read_text().splitlines() if "window" in line.lower())
        assert "display" in said.lower(), said


def test_with_a_display_the_worker_has_a_window_by_the_machines_gtk(bundle: Bundle, screen: str) -> None:
    with bundle.runs("worker", "--data-dir", str(bundle.place / "worker"), DISPLAY=screen) as worker:
        until(lambda: "the window is open" in worker.log.read_text() or worker.must_run(), "there is a window", 30)
        shown = [pid for pid in children(worker.pid) if b"--show-window" in said_of(pid)]
        maps = b"".join(said_of(pid, "maps") for pid in shown).decode()
        assert re.search(r" /usr/lib\S*/libwebkit2gtk", maps)
        assert worker.stop() == 0
        until(lambda: not any(alive(pid) for pid in shown), "the window is gone")


def test_a_worker_that_is_killed_leaves_no_process(bundle: Bundle) -> None:
    with bundle.serves() as api:
        with bundle.works(api, "--headless") as worker:
            job = api.create({"command": "sleep 600 & sleep 600"})["jobId"]
            api.wait_status(job, "running")
            below = until(partial(descendants, worker.pid, at_least=3), "all of them run")
            itself = [pid for pid in (worker.pid, *below) if b"--headless" in said_of(pid)]
            assert len(itself) == (1 if bundle.kind == "folder" else 2)
            os.kill(itself[-1], signal.SIGKILL)
            until(lambda: not any(alive(pid) for pid in below), "all are gone")
            worker.wait()


def test_an_interrupt_of_its_whole_group_counts_once(bundle: Bundle) -> None:
    """As Ctrl-C in a terminal: the one file's loader gets it too, and passes it on. Twice would take the job away."""
    end = bundle.place / "end"
    with bundle.serves() as api, bundle.works(api, "--headless") as worker:
        job = api.create({"command": f"echo begun; until [ -e {end} ]; do sleep 0.05; done; echo ended"})["jobId"]
        until(lambda: api.output(job) == b"begun\n", "the job runs")
        os.killpg(worker.pid, signal.SIGINT)
        until(lambda: " ending " in worker.log.read_text(), "the worker has heard")
        end.touch()
        assert api.wait_status(job, "completed", "failed", "unknown", "queued")["status"] == "completed"
        assert api.output(job) == b"begun\nended\n"
        assert worker.wait() == 0
