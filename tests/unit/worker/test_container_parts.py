"""The parts of containers that need no engine: frames, pulls, names of images, what is refused, what an end says."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.settings.load import SettingsError, make
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.executors import container_end
from cmdexec.worker.executors.container_image import Progress, split
from cmdexec.worker.executors.container_shape import refusal
from cmdexec.worker.executors.contract import Container, Stream
from cmdexec.worker.executors.engine_calls import Facts
from cmdexec.worker.executors.engine_frames import Frames, NotFramesError
from cmdexec.worker.spool.output import AttemptOutput
from tests.support.worker import worker_settings

PIECES = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=40)), max_size=20)


def framed(pieces: list[tuple[Stream, bytes]]) -> bytes:
    """As an engine sends them."""
    numbers = {"stdout": 1, "stderr": 2}
    return b"".join(
        bytes([numbers[stream], 0, 0, 0]) + len(data).to_bytes(4, "big") + data for stream, data in pieces
    )  # fmt: skip


@given(PIECES, st.lists(st.integers(1, 60), min_size=1))
def test_frames_are_taken_apart_however_they_are_cut(pieces: list[tuple[Stream, bytes]], sizes: list[int]) -> None:
    data, frames = framed(pieces), Frames()
    got: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
    place = number = 0
    while place < len(data):
        size = sizes[number % len(sizes)]
        for stream, piece in frames.feed(data[place : place + size]):
            got[stream] += piece
        place, number = place + size, number + 1
    assert got == {name: b"".join(data for stream, data in pieces if stream == name) for name in got}
    assert frames.whole
    assert frames.count == len(pieces)


@pytest.mark.parametrize("data", [b"HTTP/1.1", b"\x03\0\0\0\0\0\0\1", b"\1\0\1\0\0\0\0\1", b"\1\0\0\0\xff\xff\xff\xff"])
def test_what_is_no_frame_is_not_taken_for_output(data: bytes) -> None:
    with pytest.raises(NotFramesError):
        list(Frames().feed(data))


def test_a_pull_is_told_in_steps() -> None:
    told: list[str] = []
    progress = Progress(told.append)

    def hear(layer: str, status: str, current: int = 0, total: int = 0) -> None:
        said = {"id": layer, "status": status, "progressDetail": {"current": current, "total": total} if total else {}}
        progress.take(json.dumps(said).encode() + b"\r\n")

    hear("a", "Pulling fs layer")
    hear("a", "Downloading", 10, 100)
    hear("a", "Downloading", 11, 100)
    hear("b", "Downloading", 60, 100)
    hear("b", "Download complete")
    hear("a", "Pull complete")
    assert told == [f"pulling its image, {percent} %" for percent in (0, 10, 35, 55, 100)]
    progress.take(b'{"error": "no room"')
    assert progress.failure is None
    progress.take(b"}\nnonsense\n")
    assert progress.failure == "no room"


@pytest.mark.parametrize(
    ("image", "name", "tag"),
    [
        ("alpine", "alpine", "latest"), ("alpine:3", "alpine", "3"), ("host:5000/a/b", "host:5000/a/b", "latest"),
        ("host:5000/a:1", "host:5000/a", "1"), ("a@sha256:00", "a", "sha256:00"),
    ],
)  # fmt: skip
def test_an_image_is_asked_for_by_one_tag(image: str, name: str, tag: str) -> None:
    assert split(image) == (name, tag)


@pytest.mark.parametrize(
    ("container", "allowed", "words"),
    [
        (Container("a"), {}, None),
        (Container("a", user="1:01"), {}, None),
        (Container("a", user="1:0"), {}, "root's group"),
        (Container("a", user="0"), {}, "root"),
        (Container("a", user="000:7"), {}, "root"),
        (Container("a", network="bridge"), {}, "ALLOW_CONTAINER_NETWORK"),
        (Container("a", network="bridge"), {"allow_container_network": True}, None),
        (Container("a"), {"allow_containers": False}, "ALLOW_CONTAINERS"),
    ],
)
def test_what_a_worker_does_not_allow(
    tmp_path: Path, container: Container, allowed: dict[str, object], words: str | None
) -> None:  # fmt: skip
    said = refusal(container, worker_settings(tmp_path, **allowed))
    assert (said is None) if words is None else (said is not None and words in said)


@pytest.mark.parametrize(
    ("user", "taken"), [("7", True), ("7:8", True), ("0:7", False), ("7:0", False), ("7:00", False)]
)
def test_neither_root_nor_its_group_is_taken_as_whom_containers_are(user: str, taken: bool) -> None:
    if taken:
        assert make(WorkerSettings, container_user=user).container_user == user
        return
    with pytest.raises(SettingsError, match="root"):
        make(WorkerSettings, container_user=user)


FACTS = Facts("id", "exited", False, 0, False, "", "2026-01-02T03:04:05.678901234Z")


def test_how_old_a_container_is() -> None:
    began = 1767323045
    assert container_end.age_sec(FACTS, (began + 7) * 1000) == 7
    assert container_end.age_sec(replace(FACTS, started_at="0001-01-01T00:00:00Z"), 0) == 0
    assert container_end.age_sec(replace(FACTS, started_at=""), began) == 0


@given(st.binary(min_size=1, max_size=300), st.integers(0, 300), st.integers(1, 50))
def test_what_comes_again_is_kept_once_and_hashed_whole(data: bytes, known: int, size: int) -> None:
    """As of the log of a container that an earlier process had spooled a part of."""
    fresh = AttemptOutput("nowhere", "a.1", cap_bytes=10**6, tail_bytes=100)
    again = AttemptOutput("nowhere", "a.1", cap_bytes=10**6, tail_bytes=100)
    known = min(known, len(data))
    again.stdout.append(data[:known])
    for place in range(0, len(data), size):
        fresh.write("stdout", data[place : place + size])
        again.write("stdout", data[place : place + size])
    assert again.stdout.in_memory(0, len(data)) == data
    assert again.close() == fresh.close()


def test_what_does_not_come_again_has_no_digest() -> None:
    output = AttemptOutput("nowhere", "a.1", cap_bytes=10**6, tail_bytes=100)
    output.stdout.append(b"abcdef")
    output.stderr.append(b"xyz")
    output.write("stdout", b"abc")
    done = output.close()
    assert (done.stdout.bytes, done.stdout.digest) == (6, None)
    assert (done.stderr.bytes, done.stderr.digest) == (3, None)
