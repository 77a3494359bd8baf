"""Figures, chips and widgets: what must hold wherever a notebook is read."""

from __future__ import annotations

import gc
import re
from html.parser import HTMLParser
from itertools import combinations

import ipywidgets as widgets
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib import viz

BACKGROUNDS = {
    "white": "#ffffff",
    "book, dark": "#14181e",
    "JupyterLab, dark": "#111111",
    "Colab, dark": "#383838",
}


def luminance(colour: str) -> float:
    """WCAG relative luminance of ``#rrggbb``."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    """WCAG contrast ratio, 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


class Tags(HTMLParser):
    """All start tags with their attributes; complains about a tag that is not closed."""

    VOID = ("img", "br", "hr", "path", "use", "rect", "circle", "image", "input")

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(markup)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        assert self.open and self.open.pop() == tag, f"</{tag}> does not match"


def a_plot(shift: float = 0.0):
    viz.style()
    fig, ax = plt.subplots()
    ax.plot([0, 1, 2], [shift, 1.23456, 0.5], label="a line of 0.123456")
    ax.set(xlabel="steps", ylabel="nats", title="自监督学习 & more")
    ax.fill_between([0, 1], [0, 0], [1, 1], color="black", alpha=0.1)
    ax.legend()
    return fig


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("colour", viz.PALETTE)
def test_every_colour_is_legible_on_both_backgrounds(colour, background):
    assert contrast(colour, BACKGROUNDS[background]) >= 3


def test_colours_differ_and_lines_differ_without_colour():
    for a, b in combinations(viz.PALETTE, 2):
        apart = np.abs([int(a[i : i + 2], 16) - int(b[i : i + 2], 16) for i in (1, 3, 5)]).sum()
        assert apart > 80, (a, b)
    assert len(set(viz.DASHES)) == len(viz.DASHES) == len(viz.PALETTE)


def test_a_figure_says_what_it_shows():
    markup = viz.figure_html(
        a_plot(), alt='the loss "falls" & stays', caption="See the *fall* at `step` 3 < 4."
    )
    tags = Tags(markup).found
    svg = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(svg) == 1 and svg[0]["role"] == "img" and svg[0]["aria-label"] == 'the loss "falls" & stays'
    assert tags[0][0] == "figure"
    assert "<figcaption" in markup and "<em>fall</em> at <code>step</code> 3 &lt; 4." in markup


@pytest.mark.parametrize("alt", ["", "  "])
def test_no_figure_without_alternative_text(alt):
    with pytest.raises(ValueError, match="alt"):
        viz.figure_html(a_plot(), alt=alt)


def test_text_and_axes_take_the_colour_of_the_page():
    markup = viz.figure_html(a_plot(), alt="a plot")
    texts = re.findall(r"<text[^>]*>", markup)
    assert len(texts) > 8 and all("currentColor" in text for text in texts)
    assert viz.INK not in markup and "#000000" not in markup
    assert "a line of 0.123456" in markup, "text stays text, and is not rounded"
    assert "自监督学习 &amp; more" in markup
    colours = set(re.findall(r": (#[0-9a-f]{6})\b", markup))
    assert colours <= set(viz.PALETTE), colours
    assert not re.search(r'(?:fill|stroke): white|"white"|#ffffff', markup), (
        "a white box is blinding in the dark"
    )


def test_nothing_leaks_into_the_page():
    markup = viz.figure_html(a_plot(), alt="a plot")
    assert "<style" not in markup and "<?xml" not in markup and "<!" not in markup and "xlink" not in markup


def test_ids_are_unique_between_figures_and_every_reference_resolves():
    pages = [viz.figure_html(a_plot(shift), alt="a plot") for shift in (0.0, 0.5)]
    seen: set[str] = set()
    for page in pages:
        ids = re.findall(r' id="([^"]+)"', page)
        assert ids and len(ids) == len(set(ids)) and not seen & set(ids)
        seen |= set(ids)
        references = re.findall(r'(?:url\(#|href="#)([^)"]+)', page)
        assert references and set(references) <= set(ids)
    assert "clip-path" in pages[0]


def test_figures_are_deterministic_and_closed():
    before = plt.get_fignums()
    assert viz.figure_html(a_plot(), alt="a plot") == viz.figure_html(a_plot(), alt="a plot")
    assert plt.get_fignums() == before


def test_coordinates_are_short_but_in_place():
    fig = a_plot()
    markup = viz.figure_html(fig, alt="a plot")
    drawn = "".join(re.findall(r' d="([^"]*)"', markup))
    assert re.search(r"\d", drawn) and not re.search(r"\d{2}\.\d{3}", drawn)
    assert viz._shorter(re.match(".*", "-0.500001")) == "-0.5"
    assert viz._shorter(re.match(".*", "-12.345678")) == "-12.35"
    assert viz._shorter(re.match(".*", "0.015625")) == "0.0156"
    assert viz._shorter(re.match(".*", "1234.5678")) == "1234.57"
    assert viz._shorter(re.match(".*", "123456.789")) == "123456.79"


def test_show_displays_html_with_the_alternative_text_beside_it(monkeypatch):
    sent = []
    monkeypatch.setattr(viz, "display", lambda data, raw: sent.append((data, raw)))
    viz.show(a_plot(), alt="a plot", caption="See.")
    (data, raw), *rest = sent
    assert (
        raw
        and not rest
        and data["text/plain"] == "Figure: a plot"
        and data["text/html"].startswith("<figure")
    )


def test_chips_read_without_colour():
    row = viz.tokens_html(["<s>", "的", "[MASK]"], marks=["special", "", "masked"], label="corrupted")
    tags = Tags(row).found
    assert (
        tags[0][1]["role"] == "group"
        and tags[0][1]["aria-label"] == "corrupted: <s> (special), 的, [MASK] (masked)"
    )
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


def links(box: widgets.Widget) -> list[widgets.Widget]:
    """The browser-side links that start at the first child of ``box``."""
    return [
        w
        for w in gc.get_objects()
        if isinstance(w, widgets.Widget) and type(w).__name__ == "Link" and w.source[0] is box.children[0]
    ]


def test_slider_is_linked_in_the_browser():
    box = viz.slider(
        ["<p>a</p>", "<p>b</p>", "<p>c</p>"], labels=["0 %", "15 %", "30 %"], description="rate", value=1
    )
    control, stack = box.children
    assert control.description == "rate" and control.index == stack.selected_index == 1
    assert [label for label, _ in control.options] == ["0 %", "15 %", "30 %"]
    assert ["<p>b</p>" in child.value for child in stack.children] == [False, True, False]
    (link,) = links(box)
    assert (link.source[1], link.target) == ("index", (stack, "selected_index"))


def test_slider_takes_figures_and_asks_for_their_alts():
    box = viz.slider([a_plot(0), a_plot(1)], labels=["a", "b"], description="x", alts=["first", "second"])
    assert 'aria-label="second"' in box.children[1].children[1].value
    with pytest.raises(ValueError, match="alts"):
        viz.slider([a_plot()], labels=["a"], description="x")


@pytest.mark.parametrize(
    ("frames", "arguments", "word"),
    [
        ([], {"labels": []}, "frames is empty"),
        (["a"], {"labels": ["a", "b"]}, "labels"),
        (["a"], {"labels": ["a"], "value": 1}, "value=1"),
        (["a", "b"], {"labels": ["a", "b"], "alts": ["a"]}, "alts"),
    ],
)
def test_slider_refuses_what_does_not_fit(frames, arguments, word):
    with pytest.raises(ValueError, match=word):
        viz.slider(frames, description="x", **arguments)


def test_dropdown_names_its_frames():
    box = viz.dropdown(
        {"BPE": "<p>b</p>", "WordPiece": "<p>w</p>"}, description="method", captions={"BPE": "See *it*."}
    )
    control, stack = box.children
    assert [label for label, _ in control.options] == ["BPE", "WordPiece"] and stack.selected_index == 0
    assert "<em>it</em>" in stack.children[0].value and len(links(box)) == 1


def test_without_a_stack_the_kernel_moves_the_frame(monkeypatch):
    monkeypatch.delattr(widgets, "Stack")
    box = viz.slider(["<p>a</p>", "<p>b</p>"], labels=["a", "b"], description="x")
    control, page = box.children
    assert "<p>a</p>" in page.value
    control.index = 1
    assert "<p>b</p>" in page.value
