"""What is said of an engine that does not do its part, and whose credentials it is shown."""

import base64
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from cmdexec.worker.executors import container_end
from cmdexec.worker.executors.engine_calls import EngineCalls
from cmdexec.worker.executors.engine_found import Engine, Place
from tests.support.worker import worker_settings


def calls(path: Path, timeout_sec: float = 0.2) -> EngineCalls:
    """Of an engine that listens there, or does not."""
    place = Place(f"unix://{path}", "a test")
    return EngineCalls(Engine(place, "Docker Engine", "1", "1.41", place.url), timeout_sec)


def test_credentials_that_were_renewed_are_shown(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    engine, shown = calls(tmp_path / "none"), []
    assert engine.registry_credentials("registry.example:5000/a:1") is None
    for word in ("old", "new"):
        auth = base64.b64encode(f"user:{word}".encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example:5000": {"auth": auth}}}))
        header = engine.registry_credentials("registry.example:5000/a:1")
        assert header is not None
        shown.append(json.loads(base64.urlsafe_b64decode(header))["password"])
    assert shown == ["old", "new"]
    assert engine.registry_credentials("other.example/a") is None


def test_an_engine_that_is_silent_is_told_from_one_that_hangs_up(tmp_path: Path) -> None:
    settings = worker_settings(tmp_path, engine_call_sec=0.2)
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(tmp_path / "s"))
        engine.listen()
        with pytest.raises(TimeoutError) as late:
            calls(tmp_path / "s").inspect("a")
        engine.accept()[0].close()
        hanging_up = threading.Thread(target=lambda: engine.accept()[0].close())
        hanging_up.start()
        with pytest.raises(ConnectionError) as broken:
            calls(tmp_path / "s", 10).inspect("a")
        hanging_up.join(10)
    assert container_end.words_of(late.value, settings) == (
        "the container engine did not answer a call within 0.2 s (ENGINE_CALL_SEC)"
    )
    said = container_end.words_of(broken.value, settings)
    assert said.startswith("no container engine answers here now: ")
    assert "(" not in said, "no library's words"
