"""Labels of words on pieces of words, against a slow definition, on random cuts of a text."""

from __future__ import annotations

import itertools
import random

import pytest

from course_lib.batch import IGNORE
from course_lib.finetuning.alignment import (
    first_pieces,
    inside_of,
    piece_span,
    project,
    with_marks,
    word_of_pieces,
)

LABELS = ("O", "B-x", "I-x")


def cut(length: int, chance: random.Random, gaps: float) -> list[tuple[int, int]]:
    """A random cut of 0 .. length into spans, some of them dropped."""
    ends = sorted({0, length, *(chance.randrange(length) for _ in range(6))})
    return [(a, b) for a, b in itertools.pairwise(ends) if chance.random() > gaps]


@pytest.mark.parametrize("seed", range(60))
def test_a_piece_belongs_to_the_first_word_that_it_overlaps(seed):
    chance = random.Random(seed)
    words, pieces = cut(20, chance, 0.3), [(0, 0), *cut(20, chance, 0.1), (0, 0)]
    slow = [
        next((i for i, (a, b) in enumerate(words) if a < stop and b > start and stop > start), -1)
        for start, stop in pieces
    ]
    assert word_of_pieces(words, pieces) == slow
    first = [slow.index(i) if i in slow else -1 for i in range(len(words))]
    assert first_pieces(words, pieces) == first


def test_only_first_pieces_and_no_specials_are_labelled():
    words, pieces = [(0, 4), (5, 9)], [(0, 0), (0, 2), (2, 4), (5, 7), (7, 9), (0, 0)]
    assert project(words, [1, 2], pieces) == [IGNORE, 1, IGNORE, 2, IGNORE, IGNORE]
    inside = inside_of(LABELS)
    found = project(words, [1, 0], pieces, continuation="inside", inside=inside)
    assert found == [IGNORE, 1, 2, 0, 0, IGNORE]


def test_pieces_that_carry_the_space_before_them():
    assert project([(0, 2), (3, 5)], [1, 2], [(0, 2), (2, 5)]) == [1, 2]


def test_spans_of_pieces():
    offsets = [(0, 0), (0, 4), (5, 7), (7, 9), (0, 0)]
    assert piece_span(0, 9, offsets) == (1, 3) and piece_span(5, 7, offsets) == (2, 2)
    assert piece_span(6, 8, offsets) == (2, 3)  # a span that cuts pieces takes them whole
    # what no piece covers is not counted
    assert piece_span(5, 12, offsets) == (2, 3) and piece_span(4, 5, offsets) is None


def test_marks_belong_to_the_piece_before_them():
    text = "e\u0301\u0302 \u0301a"
    # the mark behind a space is nobody's; bytes of one letter share its place
    assert with_marks(text, [(0, 1), (5, 6)]) == [(0, 3), (5, 6)]
    assert with_marks(text, [(0, 1), (0, 1), (1, 2)]) == [(0, 1), (0, 1), (1, 3)]
    assert with_marks(text, [(0, 0)]) == [(0, 0)] and with_marks("", []) == []


def test_what_goes_on_in_bio_without_kinds_and_in_io():
    assert inside_of(("O", "B", "I")) == [0, 2, 2] and inside_of(("O", "I-x")) == [0, 1]


def test_what_cannot_be():
    with pytest.raises(ValueError, match="got 1 words and 2 tags"):
        project([(0, 1)], [0, 0], [(0, 1)])
    with pytest.raises(ValueError, match="continuation must be one of"):
        project([(0, 1)], [0], [(0, 1)], continuation="all")
    with pytest.raises(ValueError, match="needs the table"):
        project([(0, 1)], [0], [(0, 1)], continuation="inside")
    with pytest.raises(ValueError, match="has 'B-x' but not 'I-x'"):
        inside_of(("O", "B-x"))
    with pytest.raises(ValueError, match="has 'E-x', which says where a piece ends"):
        inside_of(("O", "B-x", "I-x", "E-x", "S-x"))
