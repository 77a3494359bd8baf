"""The page of verdicts is current, finds every box, and keeps boxes short."""

from __future__ import annotations

import json

import pytest
from book_tools import ROOT, load

verdicts = load("verdicts")

BOX = """````{admonition} Verdict: it holds
:class: verdict

Three words here.
````
"""


def chapter(folder, *cells: tuple[str, str]):
    """A notebook of these (type, source) pairs."""
    path = folder / "notebooks" / "42_answers.ipynb"
    path.parent.mkdir(exist_ok=True)
    made = [{"cell_type": kind, "source": source.splitlines(True)} for kind, source in cells]
    path.write_text(json.dumps({"cells": made}), "utf-8")
    return path


def test_the_page_is_current():
    assert (ROOT / "book" / "verdicts.md").read_text("utf-8") == verdicts.page(ROOT)


# chapters whose boxes are still longer than a reader takes in; none may join them
STILL_LONG = {"03_tokenization", "04_masking", "05_objectives", "06_gradients", "13_scaling_out"}


def test_no_other_box_is_too_long():
    assert {line.split(":")[0] for line in verdicts.too_long(ROOT)} <= STILL_LONG


def test_every_box_is_found():
    """As many as there are lines that give the class."""
    for path in verdicts.chapters(ROOT):
        written = path.read_text("utf-8").count('":class: verdict\\n"')
        assert len(verdicts.verdicts_of(path)) == written, path


def test_a_verdict_is_decided_by_what_its_section_uses(tmp_path):
    path = chapter(
        tmp_path,
        ("code", 'before = read_record("first")\nother = read_record("second")'),
        ("markdown", "(sec-42-claim)=\n## A claim\n\n### Its test"),
        ("markdown", BOX),
        ("code", 'if a := read_record("third"):\n    print(before)'),
        ("markdown", "## The next\n\n" + BOX.replace("````", ":::")),
    )
    first, second = verdicts.verdicts_of(path)
    assert (first.section, first.label, first.words) == ("A claim", "sec-42-claim", 3)
    assert first.records == ("third", "first") and first.title == "Verdict: it holds"
    assert (second.section, second.label, second.records) == ("The next", "", ())
    row = verdicts.row(first, tmp_path)
    assert row.startswith("| [42](../notebooks/42_answers.ipynb) {ref}`A claim <sec-42-claim>` |")


def test_a_long_box_and_one_without_a_section_are_reported(tmp_path):
    chapter(tmp_path, ("markdown", "## A\n\n" + BOX.replace("words", "words " * 90)))
    assert "has 92 words, at most 90" in verdicts.too_long(tmp_path)[0]
    path = chapter(tmp_path, ("markdown", BOX))
    with pytest.raises(ValueError, match="before the first heading"):
        verdicts.verdicts_of(path)
