"""The palette: legible on every page, and told apart without colours."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from course_lib import viz

BACKGROUNDS = {
    "white": "#ffffff",
    "book, dark": "#14181e",
    "JupyterLab, dark": "#111111",
    "Colab, dark": "#383838",
}


def luminance(colour: str) -> float:
    """WCAG relative luminance of ``#rrggbb``."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    """WCAG contrast ratio, 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("colour", viz.PALETTE)
def test_every_colour_is_legible_on_both_backgrounds(colour, background):
    assert contrast(colour, BACKGROUNDS[background]) >= 3


def test_colours_differ_and_lines_differ_without_colour():
    for a, b in combinations(viz.PALETTE, 2):
        apart = np.abs([int(a[i : i + 2], 16) - int(b[i : i + 2], 16) for i in (1, 3, 5)]).sum()
        assert apart > 80, (a, b)
    assert len(set(viz.DASHES)) == len(viz.DASHES) == len(viz.PALETTE)
