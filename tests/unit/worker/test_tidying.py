"""Whatever a job leaves in its folder, the worker removes what it can, says what stays, and lives."""

import os
from pathlib import Path

import pytest

from cmdexec.worker.tidying import remove_folders

DEEP = 1_500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "jobs" / "one"
    folder.mkdir(parents=True)
    return folder


def removed(folder: Path) -> list[tuple[str, str | None]]:
    """What was told of it."""
    told: list[tuple[str, str | None]] = []
    remove_folders([str(folder)], lambda path, wrong: told.append((path, wrong.strerror)))
    return told


def nested(top: Path, depth: int, name: str) -> None:
    """So many folders in each other, with a file in the last."""
    fd = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def test_folders_nested_deeper_than_a_path_can_name_are_removed(folder: Path) -> None:
    nested(folder, DEEP, "nested")
    assert removed(folder) == []
    assert not folder.exists()


def test_names_that_are_in_the_way_are_no_hindrance(folder: Path) -> None:
    """Folders are moved up under numbers; a job may have used these."""
    for number in range(20):
        (folder / f"{number}" / f"{number + 1}" / "2").mkdir(parents=True)
        (folder / f"{number}" / "file").touch()
    (folder / "20").touch()
    nested(folder / "0" / "1", 30, "0")
    assert removed(folder) == []
    assert not folder.exists()


def test_rights_that_a_job_took_away_are_given_back_and_links_not_followed(folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "kept").touch()
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "b" / "c" / "file").touch()
    (folder / "a" / "link").symlink_to(other)
    for locked in (folder / "a" / "b" / "c", folder / "a" / "b", folder / "a", folder):
        locked.chmod(0)
    assert removed(folder) == []
    assert not folder.exists()
    assert (other / "kept").exists()


def test_a_folder_that_may_not_be_removed_is_told_and_all_else_goes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system refuses, as it does where a container's root made the folder; the worker goes on."""
    for place in ("a/foreign", "a/ours/deep", "b"):
        (folder / place).mkdir(parents=True)
        (folder / place / "file").touch()
    foreign, unlink = os.stat(folder / "a" / "foreign").st_ino, os.unlink

    def refuses(name: str, *, dir_fd: int | None = None) -> None:
        if dir_fd is not None and os.fstat(dir_fd).st_ino == foreign:
            raise PermissionError(13, "Permission denied")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuses)
    assert removed(folder) == [(str(folder), "Permission denied")]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["file"]
    assert files[0].parent.stat().st_ino == foreign


def test_what_is_gone_already_is_fine_and_a_file_in_its_place_too(folder: Path) -> None:
    folder.rmdir()
    assert removed(folder) == []
    folder.touch()
    assert removed(folder) == []
    assert not folder.exists()
