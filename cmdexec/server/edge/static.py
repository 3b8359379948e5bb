"""The pages: a fixed list of files, read at start, each with its tag and its compressed form made once.

No path of a request is ever made into a path of a file: what is asked for is in the list, or is not there. The address
of a file holds the version of them all, so that a browser keeps it for good; the one page that names them is asked for
anew each time.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cmdexec.errors import Refused
from cmdexec.link.webui import WINDOW, in_checkout, webui_root
from cmdexec.log import Log
from cmdexec.runtime import Threads
from cmdexec.server.api.handler import Reply
from cmdexec.server.perform import refusal

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere, in nobody's frame."""

PAGES = re.compile(r"/|(?:/login|/jobs|/jobs/new|/jobs/[^/]+|/workers|/workers/add)/?")
"""The paths that have a page, also with a slash at the end; `webui/routes.js` has the same."""

AT = "/app"
"""Where the files are: `/app/VERSION/main.js`."""

_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_INDEX = "index.html"
_HTML = "text/html; charset=utf-8"
_NOT_OURS = ("/api/", "/ws")
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_ANEW = "no-cache"
_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class _Text:
    """Something to answer, plain and compressed."""

    body: bytes
    packed: bytes
    kind: str
    tag: str
    cache: str

    def reply(self, headers: Mapping[str, str], status: int = 200) -> Reply:
        """All of it, or 304 for who has it; compressed for who takes that."""
        packs = _takes_gzip(headers.get("Accept-Encoding", ""))
        tag = f'"{self.tag}-gz"' if packs else f'"{self.tag}"'
        also = {"Cache-Control": self.cache, "ETag": tag, "Vary": "Accept-Encoding", "Content-Security-Policy": CSP}
        have = {one.strip().removeprefix("W/") for one in headers.get("If-None-Match", "").split(",")}
        if status == 200 and {tag, "*"} & have:
            return Reply(None, 304, also)
        if packs:
            return Reply(self.packed, status, {**also, "Content-Encoding": "gzip"}, self.kind)
        return Reply(self.body, status, also, self.kind)


@dataclass(frozen=True, slots=True)
class _Files:
    """All files as they were at one moment. `seen`: by which a later change is known."""

    version: str
    index: _Text
    texts: Mapping[str, _Text]
    seen: frozenset[tuple[str, int, int]]


class Site:
    """Answers for the pages. `fresh`: look for changed files whenever a page is asked for, as who writes them wants."""

    def __init__(self, files: _Files, threads: Threads, root: Path, *, fresh: bool) -> None:
        self._files = files
        self._threads = threads
        self._root = root
        self._fresh = fresh

    async def answer(self, method: str, path: str, headers: Mapping[str, str]) -> Reply | None:
        """The answer to a request for a page or a file of it; None if it is for neither."""
        if path.startswith(_NOT_OURS):
            return None
        file = self._files.texts.get(path)
        known = file is not None or PAGES.fullmatch(path) is not None
        if method not in _METHODS:
            return _not_allowed() if known else None
        if file is not None:
            return file.reply(headers)
        if known or ("text/html" in headers.get("Accept", "") and not path.startswith(f"{AT}/")):
            return (await self._index()).reply(headers, 200 if known else 404)
        return None

    async def _index(self) -> _Text:
        if self._fresh:
            self._files = await self._threads.run(lambda: _changed(self._root, self._files))
        return self._files.index


async def site(threads: Threads, log: Log) -> Site | None:
    """The pages of this installation. Without any, the server does all else."""
    root = webui_root()
    if root is None:
        log.warning("there are no pages in this installation")
        return None
    return Site(await threads.run(lambda: _read(root)), threads, root, fresh=in_checkout(root))


def _seen(root: Path) -> frozenset[tuple[str, int, int]]:
    ours = (path for path in root.rglob("*") if WINDOW not in path.relative_to(root).parts)
    found = (path for path in ours if path.name == _INDEX or path.suffix in _KINDS)
    stats = ((path.relative_to(root).as_posix(), path.stat()) for path in found)
    return frozenset((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def _changed(root: Path, files: _Files) -> _Files:
    return files if _seen(root) == files.seen else _read(root)


def _read(root: Path) -> _Files:
    seen = _seen(root)
    bodies = {name: (root / name).read_bytes() for name, _, _ in sorted(seen)}
    whole = hashlib.sha256()
    for name, body in bodies.items():
        whole.update(f"{name} {len(body)}\n".encode() + body)
    version = whole.hexdigest()[:16]
    index = bodies.pop(_INDEX).decode().replace("{{at}}", f"{AT}/{version}")
    modules = (f'<link rel="modulepreload" href="{AT}/{version}/{name}">' for name in bodies if name.endswith(".js"))
    index = index.replace("<!-- modules -->", "\n".join(one for one in modules if not one.endswith('/theme.js">')))
    texts = {
        f"{AT}/{version}/{name}": _text(body, _KINDS[Path(name).suffix], _FOR_GOOD) for name, body in bodies.items()
    }
    return _Files(version, _text(index.encode(), _HTML, _ASK_ANEW), texts, seen)


def _text(body: bytes, kind: str, cache: str) -> _Text:
    return _Text(body, gzip.compress(body, 9, mtime=0), kind, hashlib.sha256(body).hexdigest()[:32], cache)


def _takes_gzip(accepted: str) -> bool:
    for one in accepted.lower().split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        if name in ("gzip", "*"):
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return False


def _not_allowed() -> Reply:
    reply = refusal(Refused("method_not_allowed", f"This path takes {' and '.join(_METHODS)} only."))
    return Reply(reply.body, reply.status, {**reply.headers, "Allow": ", ".join(_METHODS)}, reply.content_type)
