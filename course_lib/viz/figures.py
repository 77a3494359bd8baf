"""Figures with a caption and an alternative text, as HTML for the inside of a page.

The alternative text is what a screen reader speaks, and what a viewer without HTML prints.

Cost: that of the figure's SVG (:mod:`~course_lib.viz.svg`), which the notebook stores.
"""

from __future__ import annotations

import html
import re

from IPython.display import display
from matplotlib.figure import Figure

from .captions import caption_of
from .svg import svg_markup


def show(fig: Figure, name: str = "", *, alt: str = "", caption: str = "") -> None:
    """Display ``fig`` as a captioned figure of inline SVG, and close it.

    name: of a ``%%figure`` cell that holds both texts (:mod:`~course_lib.viz.captions`); links lead
        to it. Without a name ``alt`` says in words what the picture shows, and ``caption`` what to
        see in it (``*emphasis*`` and ```code``` are understood).

    Raises ValueError if ``alt`` is empty, or nothing is known of the name.
    """
    if name:
        alt, caption = caption_of(name)
    markup = figure_html(fig, alt=alt, caption=caption, name=name)
    display({"text/html": markup, "text/plain": f"Figure: {alt}"}, raw=True)


def figure_html(fig: Figure, *, alt: str, caption: str = "", name: str = "") -> str:
    """The HTML that :func:`show` displays. The same figure gives the same bytes on every run."""
    if not alt.strip():
        raise ValueError(f"alt={alt!r} is empty: say in a sentence what the figure shows")
    note = ""
    if caption:
        look = "line-height:1.45;margin-top:.4rem"
        note = f'<figcaption style="{look}">{caption_html(caption)}</figcaption>'
    frame = "margin:1rem 0;max-width:100%;line-height:1.4;white-space:normal"
    mark = f' id="{name}"' if name else ""
    opened = f'<figure class="course-figure"{mark} style="{frame}">'
    return f"{opened}{svg_markup(fig, alt)}{note}</figure>"


def caption_html(text: str) -> str:
    """Escaped text with ```code``` and ``*emphasis*``.

    >>> caption_html("See the *fall* at `step` 3 < 4.")
    'See the <em>fall</em> at <code>step</code> 3 &lt; 4.'
    """
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"(?<!\*)\*([^*\s][^*]*)\*", r"<em>\1</em>", text)
