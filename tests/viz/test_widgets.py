"""Sliders and menus: linked in the browser, and by the kernel where they cannot be."""

from __future__ import annotations

import gc

import ipywidgets as widgets
import pytest
from page_markup import a_plot

from course_lib import viz


def links(box: widgets.Widget) -> list[widgets.Widget]:
    """The browser-side links that start at the first child of ``box``."""
    # by the type itself: isinstance would ask dead proxies of other libraries, which raise
    found = [thing for thing in gc.get_objects() if type(thing) is widgets.widget_link.Link]
    return [link for link in found if link.source[0] is box.children[0]]


def test_slider_is_linked_in_the_browser():
    frames, labels = ["<p>a</p>", "<p>b</p>", "<p>c</p>"], ["0 %", "15 %", "30 %"]
    box = viz.slider(frames, labels=labels, description="rate", value=1)
    control, stack = box.children
    assert control.description == "rate" and control.index == stack.selected_index == 1
    assert [label for label, _ in control.options] == labels
    assert ["<p>b</p>" in child.value for child in stack.children] == [False, True, False]
    (link,) = links(box)
    assert (link.source[1], link.target) == ("index", (stack, "selected_index"))


def test_slider_takes_figures_and_asks_for_their_alts():
    frames, alts = [a_plot(0), a_plot(1)], ["first", "second"]
    box = viz.slider(frames, labels=["a", "b"], description="x", alts=alts)
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
    frames = {"BPE": "<p>b</p>", "WordPiece": "<p>w</p>"}
    box = viz.dropdown(frames, description="method", captions={"BPE": "See *it*."})
    control, stack = box.children
    assert [label for label, _ in control.options] == list(frames) and stack.selected_index == 0
    assert "<em>it</em>" in stack.children[0].value and len(links(box)) == 1


def test_without_a_stack_the_kernel_moves_the_frame(monkeypatch):
    monkeypatch.delattr(widgets, "Stack")
    box = viz.slider(["<p>a</p>", "<p>b</p>"], labels=["a", "b"], description="x")
    control, page = box.children
    assert "<p>a</p>" in page.value
    control.index = 1
    assert "<p>b</p>" in page.value
