"""Token chips: read without colours, refused when they cannot be drawn."""

from __future__ import annotations

import pytest
from page_markup import Tags

from course_lib import viz


def test_chips_read_without_colour():
    tokens, marks = ["<s>", "的", "[MASK]"], ["special", "", "masked"]
    row = viz.tokens_html(tokens, marks=marks, label="corrupted")
    _, group = Tags(row).found[0]
    assert group["role"] == "group"
    assert group["aria-label"] == "corrupted: <s> (special), 的, [MASK] (masked)"
    assert "&lt;s&gt;" in row and ">masked</small>" in row
    borders = {(mark.border, mark.word) for mark in viz.MARKS.values()}
    assert len(borders) == len(viz.MARKS), "two marks differ by colour only"
    assert ">0.93<" in viz.tokens_html(["a"], notes=["0.93"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [({"marks": ["blue"]}, "blue"), ({"marks": ["", ""]}, "marks"), ({"notes": []}, "notes")],
)
def test_chips_refuse_what_they_cannot_draw(arguments, word):
    with pytest.raises(ValueError, match=word):
        viz.tokens_html(["a"], **arguments)
