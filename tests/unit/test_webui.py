"""The files of the pages: what stands in them, and where they are found."""

import gzip
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cmdexec.server.edge.static import PAGES, webui_root
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
    code = "from cmdexec.server.edge.static import webui_root; print(webui_root())"
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
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|dangerously|\bstyle=|https?://"
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
    by_script = {"--top", "--height", "--log-width", "--share", "--tone", "--tone-text", "--tint"}
    assert set(re.findall(r"var\((--[\w-]+)\)", path.read_text())) <= declared | by_script


def test_every_style_sheet_is_loaded_and_every_sentence_is_said() -> None:
    index = (WEBUI / "index.html").read_text()
    assert all(f"{{{{at}}}}/{path.relative_to(WEBUI).as_posix()}" in index for path in [*STYLES, WEBUI / "tokens.css"])
    strings = (WEBUI / "strings.js").read_text()
    names = set(re.findall(r"^  (\w+)(?::|,)", strings, re.M)) - {"product", "plural"}
    said = "".join(path.read_text() for path in OURS if path.name != "strings.js")
    assert {name for name in names if not re.search(rf"\bS\.{name}\b", said)} == set()
    assert {name for name in re.findall(r"\bS\.(\w+)\b", said)} <= names | {"product", "plural"}
