"""What a bundle takes from its environment, what its parts are given, and how an echoed signal is heard."""

import sys
from pathlib import Path

import pytest

from cmdexec import bundle
from tests.support.waiting import becomes

OF_THE_LOADER = {"_PYI_ARCHIVE_FILE": "/x/cmdexec", "_PYI_PARENT_PROCESS_LEVEL": "1", "_MEIPASS2": "/tmp/_MEI1"}


@pytest.fixture
def one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As PyInstaller's loader leaves it."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / "_MEI1"), raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "cmdexec"))
    monkeypatch.setattr(bundle, "_left", {})


@pytest.mark.usefixtures("one_file")
@pytest.mark.parametrize(
    ("before", "after"),
    [({}, {}), ({"LD_LIBRARY_PATH_ORIG": "/mine"}, {"LD_LIBRARY_PATH": "/mine"}), ({"LD_LIBRARY_PATH_ORIG": ""}, {})],
)
def test_the_loaders_variables_go_and_what_it_replaced_comes_back(
    before: dict[str, str], after: dict[str, str]
) -> None:
    environment = {"HOME": "/x", **OF_THE_LOADER, "LD_LIBRARY_PATH": "/tmp/_MEI1", **before}
    bundle.leave_environment(environment)
    assert environment == {"HOME": "/x", **after}
    assert bundle.environment_of_a_part() == {**OF_THE_LOADER, "LD_LIBRARY_PATH": "/tmp/_MEI1"}


def test_outside_a_bundle_such_variables_are_somebody_elses() -> None:
    environment = {**OF_THE_LOADER, "LD_LIBRARY_PATH": "/mine", "LD_LIBRARY_PATH_ORIG": "/other"}
    before = dict(environment)
    bundle.leave_environment(environment)
    assert environment == before
    assert bundle.environment_of_a_part() == {}


def test_the_folder_is_not_the_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not bundle.in_bundle()
    assert not bundle.in_one_file()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / "_internal"), raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "cmdexec"))
    assert bundle.in_bundle()
    assert not bundle.in_one_file()


@pytest.mark.usefixtures("one_file")
async def test_in_the_one_file_the_echo_of_a_signal_is_not_heard_but_the_next_signal_is() -> None:
    heard: list[str] = []
    told = bundle.once(lambda: heard.append("x"))
    told()
    told()
    assert heard == ["x"]
    await becomes(lambda: told() or len(heard) == 2, "the next one is heard")


async def test_elsewhere_each_signal_is_heard() -> None:
    heard: list[str] = []
    told = bundle.once(lambda: heard.append("x"))
    told()
    told()
    assert heard == ["x", "x"]
