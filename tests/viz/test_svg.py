"""Figures as SVG: what must hold wherever a notebook is read."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
from page_markup import a_plot

from course_lib import viz
from course_lib.viz.svg import shorten


def test_text_and_axes_take_the_colour_of_the_page():
    markup = viz.figure_html(a_plot(), alt="a plot")
    texts = re.findall(r"<text[^>]*>", markup)
    assert len(texts) > 8 and all("currentColor" in text for text in texts)
    assert viz.INK not in markup and "#000000" not in markup
    assert "a line of 0.123456" in markup, "text stays text, and is not rounded"
    assert "自监督学习 &amp; more" in markup
    colours = set(re.findall(r": (#[0-9a-f]{6})\b", markup))
    assert colours <= set(viz.PALETTE), colours
    # a white box is blinding in the dark
    assert not re.search(r'(?:fill|stroke): white|"white"|#ffffff', markup)


def test_nothing_leaks_into_the_page():
    markup = viz.figure_html(a_plot(), alt="a plot")
    for foreign in ("<style", "<?xml", "<!", "xlink"):
        assert foreign not in markup


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
    markup = viz.figure_html(a_plot(), alt="a plot")
    drawn = "".join(re.findall(r' d="([^"]*)"', markup))
    assert re.search(r"\d", drawn) and not re.search(r"\d{2}\.\d{3}", drawn)
    assert shorten("-0.500001") == "-0.5"
    assert shorten("-12.345678") == "-12.35"
    assert shorten("0.015625") == "0.0156"
    assert shorten("1234.5678") == "1234.57"
    assert shorten("123456.789") == "123456.79"
