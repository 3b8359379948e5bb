"""A registry of one image on loopback, which engines ask without TLS: what it was asked, and how slowly it answers."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = "tool"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _layer(busybox: Path) -> bytes:
    """A root with a shell, and 4 MiB that take their time."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in (("bin/busybox", busybox.read_bytes()), ("weight", bytes(range(256)) * 16384)):
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(data), 0o755
            tar.addfile(about, io.BytesIO(data))
        link = tarfile.TarInfo("bin/sh")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
    return made.getvalue()


class Registry:
    """`asked`: the paths of all requests; `go`: set lets the second half of a layer pass."""

    def __init__(self, busybox: Path) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()
        layer = _layer(busybox)
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }).encode()  # fmt: skip
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
            "layers": [{"mediaType": _LAYER, "size": len(layer), "digest": _digest(layer)}],
        }).encode()  # fmt: skip
        self.layer = _digest(layer)
        self.content = {
            f"/v2/{NAME}/manifests/1": (_MANIFEST, manifest),
            f"/v2/{NAME}/manifests/{_digest(manifest)}": (_MANIFEST, manifest),
            f"/v2/{NAME}/blobs/{_digest(config)}": (_CONFIG, config),
            f"/v2/{NAME}/blobs/{self.layer}": (_LAYER, layer),
        }
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def image(self) -> str:
        """How jobs name its image."""
        return f"127.0.0.1:{self.server.server_port}/{NAME}:1"


def _handler(registry: Registry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            registry.asked.append(self.path)
            kind, data = registry.content.get(self.path, ("application/json", b"{}"))
            known = self.path in registry.content or self.path == "/v2/"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Docker-Content-Digest", _digest(data))
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.end_headers()
            if body and self.path.endswith(registry.layer):
                half = len(data) // 2
                self.wfile.write(data[:half])
                registry.go.wait(30)
                data = data[half:]
            if body:
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    return Handler


@contextmanager
def registry(busybox: Path) -> Iterator[Registry]:
    """One that answers."""
    made = Registry(busybox)
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.go.set()
        made.server.shutdown()
        made.server.server_close()
        thread.join(10)
