"""A matplotlib figure as SVG that takes on the page around it.

Text and axes are ``currentColor``: they take the colour of the text around them, on a light page
and on a dark one. Text stays text, in the reader's fonts. All ids begin with a hash of the
contents, so that two figures of a page do not disturb each other, and the same figure gives the
same bytes on every run.

Cost: one drawing. What nobody sees (metadata, ids without a reference, decimals) is taken out.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from .palette import INK

FONT = "system-ui, 'Noto Sans', 'DejaVu Sans', 'Noto Sans CJK SC', sans-serif"
_UNSEEN = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<style[^>]*>.*?</style>", re.DOTALL)


def svg_markup(fig: Figure, alt: str) -> str:
    """``fig`` as SVG markup for the inside of a page, named ``alt``; closes ``fig``."""
    text = _UNSEEN.sub("", _drawn(fig))
    text = text.replace("xlink:href", "href")
    text = text.replace(INK, "currentColor").replace("#000000", "currentColor")
    text = re.sub(r" font-family: [^;\"]*;", "", text)  # said once, by the root
    text = re.sub(r'="[^"]*"', _with_short_numbers, text)
    text = re.sub(r">\s+<", "><", text).replace(" \n", " ").replace("\n", " ")
    return _unique(_root(text, alt), alt)


def shorten(number: str) -> str:
    """A coordinate to a hundredth of a point, or to three digits where it is below 1.

    Nobody sees more, and six decimals double the notebook.

    >>> shorten("-12.345678"), shorten("0.015625")
    ('-12.35', '0.0156')
    """
    value = float(number)
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.3g}"


def _drawn(fig: Figure) -> str:
    """What matplotlib writes, from ``<svg`` on."""
    buffer = io.StringIO()
    settings = plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "course"})
    with warnings.catch_warnings(), settings:
        # the reader's browser has the glyph
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        nothing = {"Date": None, "Creator": None}
        fig.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    plt.close(fig)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _with_short_numbers(value: re.Match[str]) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda number: shorten(number.group()), value.group())


def _root(text: str, alt: str) -> str:
    """The SVG with an opening tag of our own: its size follows the page, it says what it shows."""
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)[0]
    look = f"width:{float(width) * 4 / 3:.0f}px;max-width:100%;height:auto"
    root = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(alt)}" '
        f'style="{look}" font-family="{FONT}" fill="currentColor" stroke-linejoin="round" '
        'stroke-linecap="butt" xmlns="http://www.w3.org/2000/svg">'
    )
    return root + text[text.index(">") + 1 :].strip()


def _unique(text: str, alt: str) -> str:
    """The SVG with ids that are unique in the page: a prefix from its contents.

    All references follow. Every group has an id, and few are referred to: the others go.
    """
    prefix = "f" + hashlib.sha256((alt + text).encode()).hexdigest()[:8] + "-"
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda name: name.group() if name[1] in used else "", text)
    text = re.sub(r' id="([^"]+)"', rf' id="{prefix}\1"', text)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", text)
