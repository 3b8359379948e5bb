"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.support.starting import Starting


@pytest.fixture
def start(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Starting:
    return Starting(tmp_path, capsys, monkeypatch)
