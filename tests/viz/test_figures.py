"""Captioned figures: what they say, and to whom."""

from __future__ import annotations

import pytest
from page_markup import Tags, a_plot

from course_lib import viz


def test_a_figure_says_what_it_shows():
    alt, caption = 'the loss "falls" & stays', "See the *fall* at `step` 3 < 4."
    markup = viz.figure_html(a_plot(), alt=alt, caption=caption)
    tags = Tags(markup).found
    (svg,) = (attributes for tag, attributes in tags if tag == "svg")
    assert svg["role"] == "img" and svg["aria-label"] == alt
    assert tags[0][0] == "figure"
    assert "<figcaption" in markup and "<em>fall</em> at <code>step</code> 3 &lt; 4." in markup


@pytest.mark.parametrize("alt", ["", "  "])
def test_no_figure_without_alternative_text(alt):
    with pytest.raises(ValueError, match="alt"):
        viz.figure_html(a_plot(), alt=alt)


def test_show_displays_html_with_the_alternative_text_beside_it(monkeypatch):
    sent = []
    monkeypatch.setattr(
        "course_lib.viz.figures.display", lambda data, raw: sent.append((data, raw))
    )
    viz.show(a_plot(), alt="a plot", caption="See.")
    ((data, raw),) = sent
    assert raw and data["text/plain"] == "Figure: a plot"
    assert data["text/html"].startswith("<figure")
