"""What the tokens promise to eyes: contrast as WCAG 2 computes it, in both themes, on every surface."""

import re
from pathlib import Path

import pytest

TOKENS = (Path(__file__).parents[2] / "webui" / "tokens.css").read_text()
SURFACES = ("page", "surface", "raised", "sunken", "hover", "selected")
STATUSES = ("completed", "failed", "cancelled", "running", "queued", "assigned", "scheduled", "unknown")
ANSI = re.findall(r"--(ansi-[\w-]+):", TOKENS)


def colours(theme: str) -> dict[str, str]:
    """Each token that is a colour, as `#rrggbb`."""
    pairs = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", TOKENS)
    plain = re.findall(r"--([\w-]+): (#[0-9a-f]{6});", TOKENS)
    return {name: light if theme == "light" else dark for name, light, dark in pairs} | dict(plain)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_it_is_defined() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_everywhere(theme: str) -> None:
    of = colours(theme)
    for surface in SURFACES:
        for text, least in (("t1", 7.0), ("t2", 4.5), ("t3", 4.5), ("accent", 4.5), ("control", 3.0)):
            assert contrast(of[text], of[surface]) >= least, (text, surface)
    assert contrast(of["on-ink"], of["ink"]) >= 7
    assert contrast(of["on-mark"], of["mark"]) >= 7
    assert contrast(of["chart"], of["surface"]) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("status", STATUSES)
def test_each_status_is_seen_and_its_words_are_read(theme: str, status: str) -> None:
    of = colours(theme)
    for surface in SURFACES:
        assert contrast(of[status], of[surface]) >= 3, surface
        assert contrast(of[f"{status}-text"], of[surface]) >= 4.5, surface
    assert contrast(of[f"{status}-text"], of[f"{status}-tint"]) >= 4.5
    assert contrast(of["t1"], of[f"{status}-tint"]) >= 7


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_of_a_terminal_can_be_read(theme: str) -> None:
    of = colours(theme)
    assert len(ANSI) == 16
    for name in ANSI:
        for surface in ("log", "log-line", "selected"):
            assert contrast(of[name], of[surface]) >= 4.5, (name, surface)
