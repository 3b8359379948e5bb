"""What the tests of the command line share."""

from pathlib import Path

import pytest

from cmdexec import log
from tests.support.starting import Starting


@pytest.fixture(autouse=True)
def _log_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs in this process would take the log away from pytest."""
    monkeypatch.setattr(log, "set_up", lambda *_args: None)


@pytest.fixture
def start(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Starting:
    return Starting(tmp_path, capsys, monkeypatch)
