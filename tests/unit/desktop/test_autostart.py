"""Starting with the session: the entry that says so, there and gone again."""

import plistlib
import subprocess
from pathlib import Path

import pytest

from cmdexec.desktop.autostart_entry import entry_name
from cmdexec.desktop.autostart_linux import Entry
from cmdexec.desktop.autostart_macos import Entry as Agent

COMMAND = ["/opt/a b/python", "-m", "cmdexec"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def test_on_linux_it_is_an_entry_of_the_autostart_folder(home: Path) -> None:
    folder = home / 'a "b" $c `d` \\ 50%'
    entry = Entry(COMMAND)
    entry.set(False, folder)
    assert not (home / ".config").exists()
    entry.set(True, folder)
    (path,) = (home / ".config" / "autostart").iterdir()
    assert path.name == f"{entry_name(folder)}.desktop"
    line = next(line for line in path.read_text().splitlines() if line.startswith("Exec="))
    escaped_once = line.removeprefix("Exec=").replace("\\\\", "\\").replace("%%", "%")
    read = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\n' {escaped_once}"], capture_output=True, text=True, check=True
    )
    assert read.stdout.splitlines() == [*COMMAND, "worker", "--data-dir", str(folder)]
    before = path.stat()
    entry.set(True, folder)
    assert path.stat().st_ino == before.st_ino, "what is there is not written again"
    entry.set(False, folder)
    assert not path.exists()


def test_each_data_folder_has_an_entry_of_its_own(home: Path) -> None:
    for name in ("a", "b"):
        Entry(COMMAND).set(True, home / name)
    Entry(COMMAND).set(False, home / "a")
    (path,) = (home / ".config" / "autostart").iterdir()
    assert str(home / "b") in path.read_text()


def test_the_settings_file_that_was_named_is_named_at_the_next_start_too(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    named = ["--config", str(home / "mine.toml")]
    Entry(COMMAND, Path("mine.toml")).set(True, home / "a")
    (path,) = (home / ".config" / "autostart").iterdir()
    assert " ".join(f'"{one}"' for one in named) in path.read_text()
    Agent(COMMAND, Path("mine.toml")).set(True, home / "a")
    (path,) = (home / "Library" / "LaunchAgents").iterdir()
    assert plistlib.loads(path.read_bytes())["ProgramArguments"][-2:] == named


def test_whoever_has_no_folder_has_no_entry(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    for kind in (Entry, Agent):
        kind(COMMAND).set(False, home / "a")
        with pytest.raises(NotADirectoryError):
            kind(COMMAND).set(True, home / "a")


def test_on_macos_it_is_an_agent(home: Path) -> None:
    Agent(COMMAND).set(True, home / "a")
    (path,) = (home / "Library" / "LaunchAgents").iterdir()
    about = plistlib.loads(path.read_bytes())
    assert about["ProgramArguments"] == [*COMMAND, "worker", "--data-dir", str(home / "a")]
    assert (about["RunAtLoad"], path.name) == (True, f"{about['Label']}.plist")
    Agent(COMMAND).set(False, home / "a")
    assert not path.exists()
