"""Where a container engine is looked for, in which order, and what is said when there is none."""

import hashlib
import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmdexec.worker.executors.engine_found import Place, ask, look, places


@contextmanager
def answering(path: Path | None, answers: dict[str, bytes]) -> Iterator[int]:
    """Something that answers HTTP on a socket file, or on a port of loopback, which is told."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def address_string(self) -> str:
            return "a socket"

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with (
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) if path is None
        else socketserver.ThreadingUnixStreamServer(str(path), Handler)
    ) as server:  # fmt: skip
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield 0 if path is not None else server.server_address[1]
        server.shutdown()
        thread.join(5)


DOCKER = {"/_ping": b"OK", "/version": json.dumps({"Version": "27.1", "ApiVersion": "1.46", "Components": []}).encode()}
PODMAN = {
    "/_ping": b"OK",
    "/version": json.dumps({
        "Version": "4.3.1", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}],
    }).encode(),
}  # fmt: skip


def test_what_is_named_is_the_only_place(tmp_path: Path) -> None:
    assert list(places("tcp://engine:2375", None, tmp_path)) == [Place("tcp://engine:2375", "DOCKER_HOST", named=True)]


def test_dockers_own_context_comes_before_the_usual_sockets(tmp_path: Path) -> None:
    folder = tmp_path / ".docker" / "contexts" / "meta" / hashlib.sha256(b"desktop").hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": "unix:///run/desktop.sock"}}}))
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"currentContext": "desktop"}))
    found = [place.url for place in places(None, None, tmp_path)]
    assert found[:2] == ["unix:///run/desktop.sock", "unix:///var/run/docker.sock"]
    assert found[-1] == "unix:///run/podman/podman.sock"
    (named,) = places(None, "desktop", tmp_path)
    assert (named.url, named.named) == ("unix:///run/desktop.sock", True)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"currentContext": 5}', '{"currentContext": "no such one"}'])
def test_a_broken_file_of_dockers_is_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(content)
    assert next(iter(places(None, None, tmp_path))).url == "unix:///var/run/docker.sock"


@pytest.mark.parametrize(("answers", "name"), [(DOCKER, "Docker Engine 27.1"), (PODMAN, "Podman 4.3.1")])
def test_an_engine_says_what_it_is(tmp_path: Path, answers: dict[str, bytes], name: str) -> None:
    path = tmp_path / "e.sock"
    with answering(path, answers):
        looked = look(f"unix://{path}", None, 2.0)
    assert str(looked.engine) == f"{name} at unix://{path}"
    assert looked.engine is not None
    assert looked.engine.reached == f"unix://{path}"


def test_where_a_name_led_to_is_told_by_number() -> None:
    """For the warden, which waits for no resolver."""
    with answering(None, DOCKER) as port:
        looked = look(f"tcp://localhost:{port}", None, 2.0)
    assert looked.engine is not None
    assert looked.engine.place.url == f"tcp://localhost:{port}"
    assert looked.engine.reached == f"tcp://127.0.0.1:{port}"


@pytest.mark.parametrize(
    "answers",
    [{}, {"/_ping": b"OK"}, {"/_ping": b"OK", "/version": b"hello"}, {"/_ping": b"OK", "/version": b"[1]"}],
    ids=["nothing", "no version", "no JSON", "a list"],
)
def test_what_answers_otherwise_is_none(tmp_path: Path, answers: dict[str, bytes]) -> None:
    path = tmp_path / "e.sock"
    with answering(path, answers), pytest.raises((OSError, ValueError)):
        ask(Place(f"unix://{path}", "a test"), 2.0)


def test_where_nobody_answers_it_is_said_why(tmp_path: Path) -> None:
    looked = look(f"unix://{tmp_path}/none.sock", None, 0.5)
    assert (looked.engine, looked.named) == (None, True)
    assert looked.why_none == (
        f"no container engine answers where DOCKER_HOST says (unix://{tmp_path}/none.sock: there is no such socket)"
    )
