"""Figures, token chips and widgets that need no kernel.

A notebook of this course is read in four places: the built book, JupyterLab, Colab and GitHub, each with a light and a
dark background. So a figure is inline SVG whose text and axes are ``currentColor`` (they take the colour of the text
around them), and whose palette has a contrast of at least 3 : 1 on both backgrounds. Each figure carries an alternative
text: it is what a screen reader speaks, and what a viewer without HTML prints.

A widget holds all its frames, drawn beforehand. A slider linked in the browser (``jslink``) chooses the frame to show,
so the page works from the stored outputs, by mouse and by keyboard. Its cost is the size of the frames: keep a notebook
below 300 kB.

Palette: the hues of Okabe and Ito (2008), *Color Universal Design*; blue and yellow are shifted to the middle
luminance which both backgrounds need. Colour never stands alone: lines differ in their dashes as well, chips in their
border and in a word.

>>> print(tokens_html(["the", "[MASK]"], marks=["", "masked"]))  # doctest: +ELLIPSIS
<div class="course-tokens" role="group" aria-label="the, [MASK] (masked)"...
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import seaborn as sns
from cycler import cycler
from IPython.display import display
from matplotlib.figure import Figure

INK = "#0a0b0c"  # drawn by matplotlib, replaced by currentColor: the text, axes and grid of every figure
BLUE, VERMILLION, GREEN, PURPLE, YELLOW, GREY = PALETTE = (
    "#2a8acb",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#a88600",
    "#7f8790",
)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
FONT = "system-ui, 'Noto Sans', 'DejaVu Sans', 'Noto Sans CJK SC', sans-serif"


def style() -> None:
    """Set the course's look for matplotlib and seaborn; call it once, in a notebook's first cells.

    Transparent background, a light grid, the colour-blind-safe ``PALETTE`` with ``DASHES``, and text that stays text.
    """
    sns.set_theme(style="ticks", palette=list(PALETTE))
    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
    plt.rcParams.update(dict.fromkeys((*ink, "grid.color", "legend.labelcolor", "patch.edgecolor"), INK))
    plt.rcParams.update(
        {
            "figure.figsize": (6.0, 3.4),
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "axes.grid": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=PALETTE) + cycler(linestyle=DASHES),
            "axes.titlesize": 11,
            "axes.titleweight": "normal",
            "axes.labelsize": 10.5,
            "grid.alpha": 0.18,
            "grid.linewidth": 0.7,
            "legend.frameon": False,
            "legend.fontsize": 9.5,
            "xtick.labelsize": 9.5,
            "ytick.labelsize": 9.5,
            "lines.linewidth": 1.8,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],
            "image.cmap": "cividis",
            "svg.fonttype": "none",
        }
    )


def show(fig: Figure, *, alt: str, caption: str = "") -> None:
    """Display ``fig`` as a captioned figure of inline SVG, and close it.

    ``alt`` says in words what the picture shows; ``caption`` says what to see in it (``*emphasis*`` and
    ```code``` are understood). Raises ValueError if ``alt`` is empty.
    """
    markup = figure_html(fig, alt=alt, caption=caption)
    display({"text/html": markup, "text/plain": f"Figure: {alt}"}, raw=True)


def figure_html(fig: Figure, *, alt: str, caption: str = "") -> str:
    """The HTML that :func:`show` displays. The same figure gives the same bytes on every run."""
    if not alt.strip():
        raise ValueError(f"alt={alt!r} is empty: say in a sentence what the figure shows")
    note = (
        f'<figcaption style="line-height:1.45;margin-top:.4rem">{_inline(caption)}</figcaption>'
        if caption
        else ""
    )
    frame = "margin:1rem 0;max-width:100%;line-height:1.4;white-space:normal"
    return f'<figure class="course-figure" style="{frame}">{_svg(fig, alt)}{note}</figure>'


def slider(
    frames: Sequence[str | Figure],
    *,
    labels: Sequence[str],
    description: str,
    alts: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
    value: int = 0,
) -> widgets.Widget:
    """A labelled slider over ``frames``, one for each of ``labels``; it works in a page without a kernel.

    frames: HTML (:func:`tokens_html`, a table) or matplotlib figures; ``alts`` is needed for figures.
    labels: what the slider reads at each frame. value: the frame shown first.
    Return it from the last line of a cell. Raises ValueError if the lengths differ or a figure has no alt.
    """
    pages = _pages(frames, labels, alts, captions)
    if not 0 <= value < len(pages):
        raise ValueError(f"value={value} is not a frame: choose from 0 to {len(pages) - 1}")
    control = widgets.SelectionSlider(
        options=[(str(label), i) for i, label in enumerate(labels)],
        index=value,
        description=description,
        continuous_update=True,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="100%", max_width="36rem"),
    )
    return _linked(control, pages, value)


def dropdown(
    frames: Mapping[str, str | Figure],
    *,
    description: str,
    alts: Mapping[str, str] | None = None,
    captions: Mapping[str, str] | None = None,
) -> widgets.Widget:
    """A labelled menu over named ``frames``; see :func:`slider`. ``alts`` and ``captions`` have the same names."""
    names = list(frames)
    told = [None if given is None else [given.get(n, "") for n in names] for given in (alts, captions)]
    pages = _pages([frames[n] for n in names], names, *told)
    control = widgets.Dropdown(
        options=[(str(name), i) for i, name in enumerate(names)],
        index=0,
        description=description,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="max-content", max_width="100%"),
    )
    return _linked(control, pages, 0)


@dataclass(frozen=True)
class Mark:
    """How one kind of token is drawn: border colour and pattern, strength of the tint, and the word below it."""

    colour: str
    border: str
    tint: int  # per cent of the colour behind the text
    word: str


MARKS = {
    "": Mark(GREY, "solid", 0, ""),
    "original": Mark(GREY, "solid", 12, "original"),
    "special": Mark(GREY, "dotted", 12, "special"),
    "masked": Mark(BLUE, "dashed", 18, "masked"),
    "random": Mark(VERMILLION, "double", 18, "random"),
    "kept": Mark(GREEN, "solid", 18, "kept"),
    "right": Mark(GREEN, "solid", 22, "right"),
    "wrong": Mark(VERMILLION, "dashed", 22, "wrong"),
    "new": Mark(PURPLE, "solid", 22, "new"),
    "piece": Mark(YELLOW, "dotted", 14, "piece"),
}


def tokens_html(
    tokens: Sequence[str],
    *,
    marks: Sequence[str] | None = None,
    notes: Sequence[str] | None = None,
    label: str = "",
) -> str:
    """A row of token chips that reads without colours: each mark has its own border and its word below the token.

    marks: for each token a key of ``MARKS`` (``""`` for an unmarked one).
    notes: words to print below the tokens instead of the marks' own (a probability, the original token).
    label: what a screen reader says first. Raises ValueError for a mark that is not known or lengths that differ.
    """
    marks = list(marks) if marks is not None else [""] * len(tokens)
    notes = list(notes) if notes is not None else [MARKS[m].word if m in MARKS else "" for m in marks]
    for name, given in (("marks", marks), ("notes", notes)):
        if len(given) != len(tokens):
            raise ValueError(
                f"{name} must have one entry for each of the {len(tokens)} tokens, got {len(given)}"
            )
    for mark in marks:
        if mark not in MARKS:
            raise ValueError(f"mark {mark!r} is not known: choose from {', '.join(map(repr, MARKS))}")
    spoken = ", ".join(
        f"{token} ({note})" if note else token for token, note in zip(tokens, notes, strict=True)
    )
    spoken = f"{label}: {spoken}" if label else spoken
    chips = "".join(map(_chip, tokens, marks, notes))
    row = "display:flex;flex-wrap:wrap;gap:.3rem .25rem;align-items:flex-start;margin:.5rem 0"
    group = f'role="group" aria-label="{html.escape(spoken)}"'
    return f'<div class="course-tokens" {group} style="{row}">{chips}</div>'


def _chip(token: str, mark: str, note: str) -> str:
    """One token with its word below."""
    look = MARKS[mark]
    tint = f"{look.colour}{round(look.tint * 2.55):02x}"
    border = f"{3 if look.border == 'double' else 1.5}px {look.border} {look.colour}"
    box = f"border:{border};background:{tint};border-radius:.35rem;padding:.05rem .35rem;line-height:1.5"
    word = html.escape(note) or "&nbsp;"
    kind = f" course-token-{mark}" if mark else ""
    return (
        f'<span class="course-token{kind}" style="display:inline-flex;flex-direction:column;align-items:center">'
        f'<code style="{box};font-size:.92em;color:inherit;white-space:pre-wrap">{html.escape(token)}</code>'
        f'<small style="font-size:.72em;line-height:1.3">{word}</small></span>'
    )


def _pages(
    frames: Sequence[str | Figure],
    labels: Sequence[str],
    alts: Sequence[str] | None,
    captions: Sequence[str] | None,
) -> list[str]:
    """The frames as HTML, checked."""
    if not frames:
        raise ValueError("frames is empty: give at least one frame")
    for name, given in (("labels", labels), ("alts", alts), ("captions", captions)):
        if given is not None and len(given) != len(frames):
            raise ValueError(
                f"{name} must have one entry for each of the {len(frames)} frames, got {len(given)}"
            )
    pages = []
    for i, frame in enumerate(frames):
        caption = captions[i] if captions else ""
        if isinstance(frame, Figure):
            if alts is None:
                raise ValueError("alts is missing: a frame that is a figure needs its alternative text")
            frame = figure_html(frame, alt=alts[i], caption=caption)
        elif caption:
            frame = f'{frame}<p style="line-height:1.45;white-space:normal">{_inline(caption)}</p>'
        pages.append(f'<div class="course-frame" style="line-height:1.5;white-space:normal">{frame}</div>')
    return pages


def _linked(control: Any, pages: list[str], value: int) -> widgets.Widget:
    """``control`` over a stack of pages, linked in the browser; by the kernel where ipywidgets is older than 8."""
    if not hasattr(widgets, "Stack"):
        page = widgets.HTML(pages[value])
        control.observe(lambda change: page.set_trait("value", pages[change["new"]]), "index")
        return widgets.VBox([control, page])
    wide = widgets.Layout(width="100%")
    stack = widgets.Stack(
        [widgets.HTML(page, layout=wide) for page in pages], selected_index=value, layout=wide
    )
    widgets.jslink((control, "index"), (stack, "selected_index"))
    return widgets.VBox([control, stack], layout=wide)


def _svg(fig: Figure, alt: str) -> str:
    """``fig`` as SVG markup for the inside of a page; closes ``fig``."""
    buffer = io.StringIO()
    with warnings.catch_warnings(), plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "course"}):
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from"
        )  # the reader's browser has the glyph
        fig.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(fig)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = text.replace("xlink:href", "href").replace(INK, "currentColor").replace("#000000", "currentColor")
    text = re.sub(r" font-family: [^;\"]*;", "", text)  # said once, by the root
    text = re.sub(r'="[^"]*"', lambda value: re.sub(r"-?\d+\.\d{3,}", _shorter, value.group()), text)
    text = re.sub(r">\s+<", "><", text).replace(" \n", " ").replace("\n", " ")
    return _unique(_root(text, alt), alt)


def _root(text: str, alt: str) -> str:
    """The SVG with an opening tag of our own: its size follows the page, and it says what it shows."""
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()
    look = f"width:{float(width) * 4 / 3:.0f}px;max-width:100%;height:auto"
    root = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(alt)}" style="{look}" '
        f'font-family="{FONT}" fill="currentColor" stroke-linejoin="round" stroke-linecap="butt" xmlns="http://www.w3.org/2000/svg">'
    )
    return root + text[text.index(">") + 1 :].strip()


def _unique(text: str, alt: str) -> str:
    """The ids of the SVG and all references to them, made unique in the page: a prefix from its contents."""
    prefix = "f" + hashlib.sha256((alt + text).encode()).hexdigest()[:8] + "-"
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))  # every group has an id, few are referred to
    text = re.sub(r' id="([^"]+)"', lambda name: name.group() if name[1] in used else "", text)
    text = re.sub(r' id="([^"]+)"', rf' id="{prefix}\1"', text)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", text)


def _shorter(number: re.Match[str]) -> str:
    """A coordinate to a hundredth of a point: nobody sees more, and six decimals double the notebook."""
    value = float(number.group())
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.3g}"


def _inline(text: str) -> str:
    """Escaped text with ```code``` and ``*emphasis*``."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"(?<!\*)\*([^*\s][^*]*)\*", r"<em>\1</em>", text)
