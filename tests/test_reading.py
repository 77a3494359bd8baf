"""How the chapters read, counted: nothing gets worse, and a new chapter begins at zero."""

from __future__ import annotations

import json

import pytest
from book_tools import ROOT, load

reading = load("reading")
ALLOWED = json.loads(reading.ALLOWED.read_text("utf-8"))
GOOD = [
    ("code", "# set-up", ["hide-input"], ""),
    ("markdown", "# Title\n\nA question. $x = 1$\n\n```{mermaid}\nflowchart\n```", [], ""),
    *[("code", f'viz.show(fig, "fig-42-{n}")', [], "") for n in "abcde"],
    ("code", "viz.slider(frames)\n", ["hide-input"], "Plot"),
    ("code", "viz.dropdown(frames)\nassert frames", ["hide-input"], "Plot and check"),
]


def chapter(folder, cells) -> None:
    """A notebook of these (type, source, tags, title) cells."""
    made = [
        {
            "cell_type": kind,
            "source": source.splitlines(True),
            "metadata": {"tags": tags, "mystnb": {"code_prompt_show": title}},
        }
        for kind, source, tags, title in cells
    ]
    path = folder / "notebooks" / "42_answers.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": made}), "utf-8")


def test_no_chapter_reads_worse_than_before():
    assert not list(reading.worse(ROOT, ALLOWED))


def test_what_became_better_is_kept():
    assert reading.lowered(ROOT, ALLOWED) == ALLOWED, "run make map"


def test_a_chapter_that_reads_well_has_zeros(tmp_path):
    chapter(tmp_path, GOOD)
    assert not list(reading.worse(tmp_path, {}))
    assert reading.lowered(tmp_path, {"42_answers": {"wide": 3}}) == {}


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (("code", "x = 1  # " + "x" * 80, ["hide-input"], "Plot"), "wide"),
        (("code", "x = 1\n" * 21, [], ""), "long"),
        (("code", "x = 1", ["hide-input"], ""), "untitled"),
        (("code", 'viz.show(fig, alt="a line")', [], ""), "captions"),
        (("code", "if x:\n    assert x > 1", [], ""), "asserts"),
        (("markdown", "word " * 4600, [], ""), "words"),
    ],
)
def test_each_fault_is_counted(tmp_path, cell, name):
    chapter(tmp_path, [*GOOD, cell])
    (line,) = reading.worse(tmp_path, {})
    assert line.startswith(f"42_answers: {name} is ")


def test_what_is_missing_and_what_is_dense(tmp_path):
    chapter(tmp_path, [GOOD[0], *[("code", "x = 1\n" * 12, [], "")] * 3])
    found = reading.count(tmp_path / "notebooks" / "42_answers.ipynb")
    assert (found["pictures"], found["widgets"], found["dense"]) == (6, 2, 3)
