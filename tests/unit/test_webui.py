"""The files of the pages: what stands in them, and where they are found."""

import gzip
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import get_args

import pytest

from cmdexec.link.webui import webui_root
from cmdexec.server.edge.static import PAGES
from cmdexec.worker.page.activity import Entry
from cmdexec.worker.page.calls import Heeded
from cmdexec.worker.page.configuration import Field, Problem
from cmdexec.worker.page.files import read_files
from cmdexec.worker.page.jobs import JobView
from cmdexec.worker.page.state import Machine, Phase, State
from tests.browser.api_types import types
from tests.support.system import clean_environment

ROOT = Path(__file__).parents[2]
WEBUI = ROOT / "webui"
OURS = sorted(path for path in WEBUI.rglob("*") if path.suffix in (".js", ".css") and path.parent.name != "vendor")
STYLES = [path for path in OURS if path.suffix == ".css" and path.name != "tokens.css"]
FIRST_VIEW_BYTES = 200_000


def test_a_checkout_has_its_own_pages() -> None:
    assert webui_root() == WEBUI


def test_a_wheel_has_all_that_a_browser_may_ask_for(tmp_path: Path) -> None:
    """Unpacked it finds its own pages, not those of this checkout."""
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        env=clean_environment(HOME=str(tmp_path), PYTHONPATH=""), capture_output=True, text=True, timeout=50,
        check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "there")
    code = "from cmdexec.link.webui import webui_root; print(webui_root())"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clean_environment(PYTHONPATH=str(tmp_path / "there")),
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    found = Path(told.stdout.strip())
    assert found == tmp_path / "there" / "cmdexec" / "webui"
    served = {path.relative_to(WEBUI) for path in WEBUI.rglob("*") if path.suffix in (".js", ".css", ".svg", ".html")}
    assert all((found / path).read_bytes() == (WEBUI / path).read_bytes() for path in served)
    assert len(served) > 40


def test_the_libraries_are_what_is_written_of_them() -> None:
    """No line of what others wrote changes unseen; nothing stands there that is not written down."""
    written = (WEBUI / "vendor/README.md").read_text()
    listed = dict(re.findall(r"^\| `(\S+)` \|.*\| `([0-9a-f]{64})` \|$", written, re.M))
    assert {name: hashlib.sha256((WEBUI / "vendor" / name).read_bytes()).hexdigest() for name in listed} == listed
    assert {path.name for path in (WEBUI / "vendor").glob("*.js")} == {name for name in listed if name.endswith(".js")}


def test_the_first_view_fits_its_budget() -> None:
    """All scripts and styles together, as they are sent, with the index page."""
    files = [path for path in WEBUI.rglob("*") if path.suffix in (".js", ".css", ".html")]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) <= FIRST_VIEW_BYTES


def test_server_and_pages_know_the_same_paths() -> None:
    routes = re.findall(r"path: /\^(.*)\$/", (WEBUI / "routes.js").read_text())
    pages = "|".join(f"(?:{one})" for one in routes).replace("\\/", "/")
    paths = ["/", "/login", "/jobs", "/jobs/", "/jobs/new", "/jobs/x", "/jobs/x/y", "/workers", "/workers/add"]
    for path in [*paths, "/workers/x", "/nothing", "/jobsx", "/api/jobs", "//", "/login/"]:
        assert bool(re.fullmatch(pages, path)) == bool(PAGES.fullmatch(path)), path


def test_the_types_of_the_api_are_those_of_its_description() -> None:
    made = (WEBUI / "types/api.d.ts").read_text()
    assert made == types(), "run: python -m tests.browser.api_types > webui/types/api.d.ts"


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(WEBUI).as_posix())
def test_nothing_becomes_html_or_code_that_came_as_text(path: Path) -> None:
    text = path.read_text()
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|dangerously|\bstyle=|https?://"
    )
    assert not re.search(forbidden, text), re.findall(forbidden, text)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_only_the_tokens_hold_colours_sizes_of_type_radii_and_times(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(", text)
    raw = r"(?:font-size|line-height|border-radius|transition(?:-duration)?|animation|z-index): (?!var\()[^;]*\d[^;]*;"
    assert [one for one in re.findall(raw, text) if one != "border-radius: 0;"] == []


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_every_token_that_is_used_is_declared(path: Path) -> None:
    declared = set(re.findall(r"(--[\w-]+):", (WEBUI / "tokens.css").read_text()))
    by_script = {"--top", "--height", "--log-width", "--share", "--limit", "--tone", "--tone-text", "--tint"}
    assert set(re.findall(r"var\((--[\w-]+)\)", path.read_text())) <= declared | by_script


def test_every_style_sheet_is_loaded() -> None:
    index, window = (WEBUI / "index.html").read_text(), (WEBUI / "window/index.html").read_text()
    sheets = [path.relative_to(WEBUI).as_posix() for path in [*STYLES, WEBUI / "tokens.css"]]
    assert all(f"{{{{at}}}}/{sheet}" in index for sheet in sheets if not sheet.startswith("window/"))
    assert "/window/window.css" in window


@pytest.mark.parametrize(("of", "words"), [("S", "strings.js"), ("W", "window/words.js")])
def test_every_sentence_is_said(of: str, words: str) -> None:
    names = set(re.findall(r"^  (\w+)(?::|,)", (WEBUI / words).read_text(), re.M)) - {"product", "plural"}
    said = "".join(path.read_text() for path in OURS if path != WEBUI / words)
    assert {name for name in names if not re.search(rf"\b{of}\.{name}\b", said)} == set()
    assert {name for name in re.findall(rf"\b{of}\.(\w+)\b", said)} <= names | {"product", "plural"}


def test_the_window_is_given_all_files_that_it_asks_for() -> None:
    """And knows what its worker tells it."""
    files = read_files()
    for address, file in files.items():
        if address.endswith(".js"):
            asked = re.findall(r"(?:from|import) '(\.[^']+)'", file.body.decode())
            there = {os.path.normpath(PurePosixPath(address).parent / one) for one in asked}
            assert there <= files.keys(), address
    page = files["/"].body.decode()
    assert set(re.findall(r'(?:src|href)="([^"]+)"', page)) <= files.keys()
    types = (WEBUI / "types/window.d.ts").read_text()
    for kind in (State, JobView, Machine, Problem, Entry, Field, Heeded):
        (fields,) = re.findall(rf"interface {kind.__name__} {{\n(.*?)}}", types, re.S)
        assert re.findall(r"^  (\w+):", fields, re.M) == list(kind.__struct_encode_fields__), kind
    (phases,) = re.findall(r"type Phase =(.*?);", types, re.S)
    assert set(re.findall(r"'(\w+)'", phases)) == set(get_args(Phase))
