"""Which container engine there is: where it may listen, in which order it is looked for, and what it says of itself.

Looking is one plain HTTP request over its socket and loads nothing of the library that the first container needs: an
idle worker stays small.
"""

import errno
import hashlib
import http.client
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

_ANSWER_BYTES = 256 * 1024
_USUAL = ("/var/run/docker.sock", "{run}/docker.sock", "{home}/.docker/run/docker.sock",
          "{run}/podman/podman.sock", "/run/podman/podman.sock")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine may listen: `unix:///PATH` or `tcp://HOST:PORT`. `why`: what says so, for people; `named`: a
    person chose it, so that there is no other to fall back to."""

    url: str
    why: str
    named: bool = False


@dataclass(frozen=True, slots=True)
class Engine:
    """One that answers. `api`: the newest version of its interface; `reached`: its place, by number where that has a
    name, which may become another number."""

    place: Place
    name: str
    version: str
    api: str
    reached: str = field(compare=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version} at {self.place.url}"


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found; `why_none`: a sentence without an end, when that is nothing."""

    engine: Engine | None = None
    why_none: str = ""
    named: bool = False


class EngineConnection(http.client.HTTPConnection):
    """HTTP to an engine, over a socket file or TCP."""

    def __init__(self, url: str, timeout_sec: float) -> None:
        self._path = url.removeprefix("unix://") if url.startswith("unix://") else None
        where = urlsplit(url)
        super().__init__(where.hostname or "localhost", where.port or 80, timeout=timeout_sec)

    def connect(self) -> None:
        if self._path is None:
            super().connect()
            return
        family = getattr(socket, "AF_UNIX", None)
        if family is None:
            raise OSError(errno.EAFNOSUPPORT, "this system has no such sockets")
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


def look(host: str | None, context: str | None, probe_sec: float) -> Looked:
    """Blocking: the first engine that answers, in the order of `places`."""
    found = list(places(host, context))
    tried: list[str] = []
    for place in found:
        try:
            return Looked(ask(place, probe_sec), named=place.named)
        except FileNotFoundError:
            tried.append(f"{place.url}: there is no such socket")
        except (OSError, http.client.HTTPException, ValueError) as wrong:
            said = getattr(wrong, "strerror", None) or str(wrong) or type(wrong).__name__
            tried.append(f"{place.url}: {said}")
    if found and found[0].named:
        return Looked(why_none=f"no container engine answers where {found[0].why} says ({tried[0]})", named=True)
    silent = "; ".join(one for one in tried if not one.endswith("no such socket"))
    return Looked(why_none=f"no container engine answers ({silent or 'none of the usual sockets is there'})")


def places(host: str | None, named_context: str | None, home: Path | None = None) -> Iterator[Place]:
    """Blocking: where to look. What a person named is the only place; else Docker's context comes first."""
    if host is not None:
        yield Place(host, "DOCKER_HOST", named=True)
        return
    home = Path.home() if home is None else home
    context = named_context or _context_in_use(home)
    if context and context != "default":
        url = _url_of(context, home)
        named = named_context is not None
        if url is not None or named:
            yield Place(url or f"unix://{home}/.docker/contexts", f"Docker's context {context!r}", named=named)
        if named:
            return
    run = f"/run/user/{os.getuid()}" if hasattr(os, "getuid") else ""
    for path in _USUAL:
        yield Place(f"unix://{path.format(run=run, home=home)}", "its usual socket")


def _context_in_use(home: Path) -> str:
    return str(_json_in(home / ".docker" / "config.json").get("currentContext") or "")


def _url_of(context: str, home: Path) -> str | None:
    """A context's address; its folder is named by the digest of its name."""
    digest = hashlib.sha256(context.encode()).hexdigest()
    meta = _json_in(home / ".docker" / "contexts" / "meta" / digest / "meta.json")
    endpoints = meta.get("Endpoints")
    docker = endpoints.get("docker") if isinstance(endpoints, dict) else None
    host = docker.get("Host") if isinstance(docker, dict) else None
    return host if isinstance(host, str) and host.startswith(("unix://", "tcp://")) else None


def _json_in(path: Path) -> dict[str, Any]:
    """What a file of Docker's own says; nothing where it cannot be read."""
    try:
        content = json.loads(path.read_bytes()[:_ANSWER_BYTES])
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def ask(place: Place, timeout_sec: float) -> Engine:
    """Blocking: the engine at that place. Raises OSError, HTTPException or ValueError when none is there."""
    connection = EngineConnection(place.url, timeout_sec)
    try:
        connection.connect()
        reached = _reached(place, connection.sock)
        connection.request("GET", "/_ping", headers={"Host": "engine"})
        ping = connection.getresponse()
        ping.read(_ANSWER_BYTES)
        if ping.status != 200:
            raise ValueError(f"it answers with status {ping.status}")
        connection.request("GET", "/version", headers={"Host": "engine"})
        said = json.loads(connection.getresponse().read(_ANSWER_BYTES))
    finally:
        connection.close()
    about = said if isinstance(said, dict) else {}
    api, version = about.get("ApiVersion"), about.get("Version")
    if not api or not version:
        raise ValueError("what answers is no container engine")
    podman = any("podman" in str(part.get("Name", "")).lower() for part in about.get("Components") or ())
    return Engine(place, "Podman" if podman else "Docker Engine", str(version)[:50], str(api), reached)


def _reached(place: Place, sock: socket.socket) -> str:
    if place.url.startswith("unix://"):
        return place.url
    host, port, *_ = sock.getpeername()
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def names_of(engine: Engine, label: str, timeout_sec: float) -> list[str]:
    """Blocking: the names of all containers with that label, whether they run or not. Raises OSError."""
    query = urlencode({"all": 1, "filters": json.dumps({"label": [label]})})
    connection = EngineConnection(engine.place.url, timeout_sec)
    try:
        connection.request("GET", f"/v{engine.api}/containers/json?{query}", headers={"Host": "engine"})
        found = json.loads(connection.getresponse().read())
        return [str(one["Names"][0]).lstrip("/") for one in found]
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as wrong:
        raise ConnectionError(f"the engine does not say which containers it has: {wrong}") from wrong
    finally:
        connection.close()
