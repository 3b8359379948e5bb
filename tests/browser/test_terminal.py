"""Text of a terminal as lines with classes: the same however it was cut, bounded, and without anything that acts."""

import random
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import LogIn

READ = """
async ([chunks]) => {
  const at = document.querySelector('script[type=module]').src.replace('main.js', '');
  const { Buffer } = await import(`${at}log/buffer.js`);
  const buffer = new Buffer();
  const coder = new TextEncoder();
  for (const chunk of chunks) {
    const bytes = typeof chunk === 'string' ? coder.encode(chunk) : new Uint8Array(chunk);
    buffer.write('stdout', bytes);
  }
  buffer.end();
  return buffer.shown('both').map((line) => line.pieces.map((piece) => [piece.text, piece.look]));
}
"""

CASES: list[tuple[str, list[list[list[str]]]]] = [
    ("a\nb", [[["a", ""]], [["b", ""]]]),
    ("\n\n", [[], []]),
    ("10 %\r20 %\r100 %\n", [[["100 %", ""]]]),
    ("abc\rx\n", [[["xbc", ""]]]),
    ("ab\b\bxy\n", [[["xy", ""]]]),
    ("progress\r\x1b[Kdone\n", [[["done", ""]]]),
    ("old\x1b[2Knew\n", [[["new", ""]]]),
    ("\x1b[31mred\x1b[1m bold\x1b[0m none\n", [[["red", "f-red"], [" bold", "f-red bold"], [" none", ""]]]),
    ("\x1b[32mgreen\nstill\n", [[["green", "f-green"]], [["still", "f-green"]]]),
    ("\x1b[38;5;196mx\x1b[48;2;0;0;255my\n", [[["x", "f-bright-red"], ["y", "f-bright-red b-bright-blue"]]]),
    ("\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", [[["link", ""]]]),
    ("\x1b[2J\x1b[Hx\x1b[?25l\x1b(B\n", [[["x", ""]]]),
    ("\x00\x01\x7f\n", [[["␀␁␡", ""]]]),
    ("\u202eevil\u2069\n", [[["⟨U+202E⟩evil⟨U+2069⟩", ""]]]),
    ("é 你好 🎉\n", [[["é 你好 🎉", ""]]]),
]


@pytest.fixture
def page(log_in: LogIn) -> Page:
    return log_in("viewer").page


def read(page: Page, chunks: list[Any]) -> list[list[list[str]]]:
    found: list[list[list[str]]] = page.evaluate(READ, [chunks])
    return found


def merged(line: list[list[str]]) -> list[list[str]]:
    """Neighbours that look alike are one."""
    joined: list[list[str]] = []
    for text, look in line:
        if joined and joined[-1][1] == look:
            joined[-1][0] += text
        else:
            joined.append([text, look])
    return joined


def test_terminals_say_what_they_show(page: Page) -> None:
    for text, lines in CASES:
        assert read(page, [text]) == lines, text


def test_it_does_not_matter_where_it_is_cut(page: Page) -> None:
    whole = "".join(text for text, _ in CASES).encode() * 3
    expected = [merged(line) for line in read(page, [list(whole)])]
    chance = random.Random(11)
    for _ in range(12):
        cuts = sorted(chance.sample(range(1, len(whole)), chance.randrange(1, 200)))
        chunks = [list(whole[start:end]) for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        assert [merged(line) for line in read(page, chunks)] == expected
    assert [merged(line) for line in read(page, [[byte] for byte in whole])] == expected


def test_bytes_that_are_no_text_are_shown_as_such(page: Page) -> None:
    assert read(page, [[0xFF, 0xFE, 0x41, 0x0A, 0xE2, 0x82]]) == [[["\ufffd\ufffdA", ""]], [["\ufffd", ""]]]


def test_a_line_without_an_end_and_a_sequence_without_one_are_bounded(page: Page) -> None:
    (line,) = read(page, ["x" * 1_000_000])
    assert sum(len(text) for text, _ in line) == 65536
    (line,) = read(page, ["\x1b]" + "y" * 10_000])
    assert line[0][0].startswith("␛")


def test_overwriting_costs_no_more_than_writing(page: Page) -> None:
    """What is written over is one line's cells, however often: 480 KB of it, in colours or erased, take no second."""
    colours = "".join(f"\x1b[3{at % 8}mx" for at in range(40_000)) + "\r" + "\x1b[31ma\x1b[32mb\r" * 20_000
    erased = "y" * 65_000 + "\x1b[1K" * 100_000
    timed, told = "const at = performance.now();", "return performance.now() - at;"
    for text in (colours, erased):
        took = page.evaluate(f"async (given) => {{ {timed} await ({READ})(given); {told} }}", [[text]])
        assert took < 3_000
    assert read(page, ["\x1b[31mab\x1b[32mcd\r\x1b[31mxyz\n"]) == [[["xyz", "f-red"], ["d", "f-green"]]]
