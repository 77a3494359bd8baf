"""Figures, token chips and widgets that need no kernel.

A notebook of this course is read in four places: the built book, JupyterLab, Colab and GitHub, each
with a light and a dark background. Each figure, chip and widget is made so that it reads in all of
them, without colours and by ear: see the files of this folder.

>>> from course_lib import viz
>>> print(viz.tokens_html(["the", "[MASK]"], marks=["", "masked"]))  # doctest: +ELLIPSIS
<div class="course-tokens" role="group" aria-label="the, [MASK] (masked)"...
"""

from .chips import MARKS, tokens_html
from .figures import figure_html, show
from .palette import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    INK,
    PALETTE,
    PURPLE,
    VERMILLION,
    YELLOW,
    style,
)
from .widgets import dropdown, slider

__all__ = [
    "BLUE",
    "DASHES",
    "GREEN",
    "GREY",
    "INK",
    "MARKS",
    "PALETTE",
    "PURPLE",
    "VERMILLION",
    "YELLOW",
    "dropdown",
    "figure_html",
    "show",
    "slider",
    "style",
    "tokens_html",
]
