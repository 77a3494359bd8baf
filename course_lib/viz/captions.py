"""Captions and alternative texts in a cell of their own, so that code is code and prose is prose.

A cell that begins with ``%%figure NAME`` holds what is said about the figure ``NAME``:

    %%figure fig-07-paths
    alt: Two panels with the paths of an optimiser from a square to a star.
    caption: The same ravine twice, along the axes and turned. Only *Adam's* path changes.

It runs before the figure is drawn, ``viz.show(fig, "fig-07-paths")`` looks it up, and the built
page hides it (tag ``remove-cell``). ``style`` makes the magic known, wherever there is a notebook.

>>> told("alt: A line\\n  that rises.\\ncaption: It *rises*.")
Caption(alt='A line that rises.', caption='It *rises*.')
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"fig-[a-z0-9]+(?:-[a-z0-9]+)*")
_texts: dict[str, Caption] = {}


class Caption(NamedTuple):
    """alt: what the picture shows, in words.  caption: what to see in it, may be empty."""

    alt: str
    caption: str = ""


def told(text: str) -> Caption:
    """The two texts of a cell; a line that begins with neither goes on with the last one.

    Raises ValueError if the alt is missing or empty, or a line stands before the first.
    """
    parts: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in filter(None, map(str.strip, text.splitlines())):
        if start := re.match(r"(alt|caption):\s*", line):
            lines, line = parts.setdefault(start[1], []), line[start.end() :]
        if lines is None:
            raise ValueError(f"{line!r} belongs to nothing: begin with alt: or caption:")
        lines.append(line)
    joined = {name: " ".join(lines).strip() for name, lines in parts.items()}
    if not joined.get("alt"):
        raise ValueError("alt is missing: say after alt: in a sentence what the figure shows")
    return Caption(**joined)


def remember(name: str, text: str) -> None:
    """Keep what a cell says about the figure ``name``.

    Raises ValueError as ``told`` does, or for a name that can't be linked to.
    """
    if not _NAME.fullmatch(name.strip()):
        raise ValueError(
            f"a figure's name is fig- and small letters, digits and hyphens, got {name.strip()!r}"
        )
    _texts[name.strip()] = told(text)


def caption_of(name: str) -> Caption:
    """What was said about the figure. Raises ValueError if its cell was not run."""
    try:
        return _texts[name]
    except KeyError:
        raise ValueError(
            f"nothing is known of the figure {name!r}: run the cell that begins with "
            f"%%figure {name} first"
        ) from None


def offer_magic() -> None:
    """Make ``%%figure`` known to the notebook, where there is one."""
    from IPython import get_ipython

    if shell := get_ipython():
        shell.register_magic_function(remember, "cell", "figure")
