"""Texts of a figure in a cell of their own."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from page_markup import Tags, a_plot

from course_lib import viz
from course_lib.viz import captions

CELL = """alt: a line
  that rises
caption: It *rises*.
"""


@pytest.fixture
def shell(monkeypatch):
    """A notebook's shell, in which ``viz.style`` was called."""
    shell = InteractiveShell.instance()
    monkeypatch.setattr(captions, "_texts", {})
    viz.style()
    yield shell
    InteractiveShell.clear_instance()


def test_from_the_cell_to_the_page(shell, monkeypatch):
    sent = []
    monkeypatch.setattr("course_lib.viz.figures.display", lambda data, raw: sent.append(data))
    shell.run_cell(f"%%figure fig-42-line\n{CELL}").raise_error()
    viz.show(a_plot(), "fig-42-line")
    (data,) = sent
    assert data["text/plain"] == "Figure: a line that rises"
    figure, *inside = Tags(data["text/html"]).found
    assert figure[0] == "figure" and figure[1]["id"] == "fig-42-line"
    assert "It <em>rises</em>." in data["text/html"]
    assert any(attributes.get("aria-label") == "a line that rises" for _, attributes in inside)


def test_a_cell_that_was_not_run(shell):
    with pytest.raises(ValueError, match="run the cell that begins with %%figure fig-1 first"):
        viz.show(a_plot(), "fig-1")


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("fig-42", "caption: no alt", "alt is missing"),
        ("fig-42", "alt:\ncaption: no alt", "alt is missing"),
        ("fig-42", "It rises.\nalt: a line", "'It rises.' belongs to nothing: begin with alt:"),
        ("Fig 42", "alt: a line", "small letters, digits and hyphens, got 'Fig 42'"),
        ("", "alt: a line", "got ''"),
    ],
)
def test_clear_errors(name, text, remedy):
    with pytest.raises(ValueError, match=remedy):
        captions.remember(name, text)


def test_a_caption_may_be_left_out_and_a_cell_run_again():
    captions.remember("fig-42", "alt: one")
    captions.remember("fig-42", "alt: two")
    assert captions.caption_of("fig-42") == ("two", "")


def test_without_a_notebook_style_says_nothing(capsys):
    viz.style()
    assert capsys.readouterr() == ("", "")
