"""Tokens as a row of chips, for a cell's output or the frame of a widget.

Each mark has a colour, a border and a word, so the row reads in a black-and-white print and by ear.

Cost: some 400 bytes a token.

>>> print(tokens_html(["the", "[MASK]"], marks=["", "masked"]))  # doctest: +ELLIPSIS
<div class="course-tokens" role="group" aria-label="the, [MASK] (masked)"...
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from .palette import BLUE, GREEN, GREY, PURPLE, VERMILLION, YELLOW


@dataclass(frozen=True)
class Mark:
    """How one kind of token is drawn.

    colour, border: of the frame, the border a pattern of CSS.
    tint: per cent of the colour behind the text.
    word: what stands below it.
    """

    colour: str
    border: str
    tint: int
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
    """A row of token chips that reads without colours.

    Each mark has its own border and its word below the token.

    marks: for each token a key of ``MARKS`` (``""`` for an unmarked one).
    notes: words to print below the tokens instead of the marks' own (a probability, the original
        token).
    label: what a screen reader says first.

    Raises ValueError for a mark that is not known or lengths that differ.
    """
    marks = [""] * len(tokens) if marks is None else list(marks)
    if notes is None:
        notes = [MARKS[mark].word if mark in MARKS else "" for mark in marks]
    for name, given in (("marks", marks), ("notes", notes)):
        if len(given) != len(tokens):
            raise ValueError(
                f"{name} must have one entry for each of the {len(tokens)} tokens, got {len(given)}"
            )
    for mark in marks:
        if mark not in MARKS:
            raise ValueError(
                f"mark {mark!r} is not known: choose from {', '.join(map(repr, MARKS))}"
            )
    pairs = zip(tokens, notes, strict=True)
    spoken = ", ".join(f"{token} ({note})" if note else token for token, note in pairs)
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
    column = "display:inline-flex;flex-direction:column;align-items:center"
    box = f"border:{border};background:{tint};border-radius:.35rem;padding:.05rem .35rem"
    box += ";line-height:1.5;font-size:.92em;color:inherit;white-space:pre-wrap"
    word = html.escape(note) or "&nbsp;"
    kind = f" course-token-{mark}" if mark else ""
    return (
        f'<span class="course-token{kind}" style="{column}">'
        f'<code style="{box}">{html.escape(token)}</code>'
        f'<small style="font-size:.72em;line-height:1.3">{word}</small></span>'
    )
