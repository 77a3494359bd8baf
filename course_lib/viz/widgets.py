"""Sliders and menus over frames that are drawn beforehand, so that they need no kernel.

A control linked in the browser (``jslink``) chooses the frame to show: the page works from the
stored outputs, by mouse and by keyboard.

Cost: the size of the frames, all of which the notebook stores; keep it below 300 kB.

>>> box = slider(["<p>a</p>", "<p>b</p>"], labels=["0 %", "15 %"], description="rate")
>>> box.children[0].options
(('0 %', 0), ('15 %', 1))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from .figures import caption_html, figure_html


def slider(
    frames: Sequence[str | Figure],
    *,
    labels: Sequence[str],
    description: str,
    alts: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
    value: int = 0,
) -> widgets.Widget:
    """A labelled slider over ``frames``, one for each of ``labels``; it works without a kernel.

    frames: HTML (:func:`~course_lib.viz.chips.tokens_html`, a table) or matplotlib figures;
        ``alts`` is needed for figures.
    labels: what the slider reads at each frame. value: the frame shown first.

    Return it from the last line of a cell. Raises ValueError if the lengths differ or a figure has
    no alt.
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
    """A labelled menu over named ``frames``; see :func:`slider`.

    ``alts`` and ``captions`` have the same names.
    """
    names = list(frames)

    def ordered(given: Mapping[str, str] | None) -> list[str] | None:
        return None if given is None else [given.get(name, "") for name in names]

    pages = _pages([frames[name] for name in names], names, ordered(alts), ordered(captions))
    control = widgets.Dropdown(
        options=[(str(name), i) for i, name in enumerate(names)],
        index=0,
        description=description,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="max-content", max_width="100%"),
    )
    return _linked(control, pages, 0)


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
                raise ValueError(
                    "alts is missing: a frame that is a figure needs its alternative text"
                )
            frame = figure_html(frame, alt=alts[i], caption=caption)
        elif caption:
            look = "line-height:1.45;white-space:normal"
            frame = f'{frame}<p style="{look}">{caption_html(caption)}</p>'
        look = "line-height:1.5;white-space:normal"
        pages.append(f'<div class="course-frame" style="{look}">{frame}</div>')
    return pages


def _linked(control: Any, pages: list[str], value: int) -> widgets.Widget:
    """``control`` over a stack of pages, linked in the browser.

    Where ipywidgets is older than 8, the kernel links them.
    """
    if not hasattr(widgets, "Stack"):
        page = widgets.HTML(pages[value])
        control.observe(lambda change: page.set_trait("value", pages[change["new"]]), "index")
        return widgets.VBox([control, page])
    wide = widgets.Layout(width="100%")
    children = [widgets.HTML(page, layout=wide) for page in pages]
    stack = widgets.Stack(children, selected_index=value, layout=wide)
    widgets.jslink((control, "index"), (stack, "selected_index"))
    return widgets.VBox([control, stack], layout=wide)
