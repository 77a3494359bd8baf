"""The course's colours, and its look for matplotlib and seaborn.

The hues are those of Okabe and Ito (2008), *Color Universal Design*; blue and yellow are shifted to
the middle luminance, so that each has a contrast of at least 3 : 1 on a light and on a dark page.
Colour never stands alone: lines differ in their dashes as well, chips in their border and in a
word.

>>> BLUE in PALETTE, len(PALETTE) == len(DASHES)
(True, True)
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from cycler import cycler

from .captions import offer_magic

# drawn by matplotlib, replaced by currentColor: the text, axes and grid of every figure
INK = "#0a0b0c"
PALETTE = ("#2a8acb", "#d55e00", "#009e73", "#cc79a7", "#a88600", "#7f8790")
BLUE, VERMILLION, GREEN, PURPLE, YELLOW, GREY = PALETTE
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))

_IN_INK = (
    "text.color",
    "axes.edgecolor",
    "axes.labelcolor",
    "axes.titlecolor",
    "xtick.color",
    "ytick.color",
    "grid.color",
    "legend.labelcolor",
    "patch.edgecolor",
)
_LOOK: dict[Any, object] = {
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


def style() -> None:
    """Set the course's look for matplotlib and seaborn; call it once, in a notebook's first cells.

    Transparent background, a light grid, the colour-blind-safe ``PALETTE`` with ``DASHES``, and
    text that stays text. In a notebook it also makes the cells known that begin with ``%%figure``
    (:mod:`~course_lib.viz.captions`).
    """
    offer_magic()
    sns.set_theme(style="ticks", palette=list(PALETTE))
    plt.rcParams.update(dict.fromkeys(_IN_INK, INK) | _LOOK)
