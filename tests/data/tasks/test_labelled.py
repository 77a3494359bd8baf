"""Labelled records: words, tags, spans, and what they refuse."""

from __future__ import annotations

import itertools

import pytest

from course_lib.data import SpanExample, SpanTask, TokenExample, TokenTask, UnknownName
from course_lib.data.tasks.tags import bio_names, bio_tags
from course_lib.data.tasks.words import trimmed, word_spans

LABELS = ("O", "B-x", "I-x", "B-y", "I-y")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("don't stop!", ["don't", "stop", "!"]),
        ("A-B_c", ["A", "-", "B", "_", "c"]),
        ("开灯 now", ["开", "灯", "now"]),
        ("a开b", ["a", "开", "b"]),
        ("58° 3.5", ["58", "°", "3", ".", "5"]),
        ("cafe\u0301's a\u0301b", ["cafe\u0301's", "a\u0301b"]),
        ("किताब् ❤️!", ["किताब्", "❤️", "!"]),
        ("\u0301 _\u0301x", ["\u0301", "_\u0301", "x"]),
    ],
)
def test_words(text, words):
    spans = word_spans(text)
    assert [text[a:b] for a, b in spans] == words
    assert all(b <= c for (_, b), (c, _) in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("text", "left"),
    [("ab", "ab"), (" \u200bab\n", "ab"), ("\ufeffa b\u00a0", "a b"), ("\t\u200b", None)],
)
def test_what_is_left_of_a_marked_stretch(text, left):
    span = trimmed(f"x{text}y", (1, 1 + len(text)))
    assert (span and f"x{text}y"[slice(*span)]) == left


def test_two_pieces_side_by_side_are_two():
    words = word_spans("ab cd ef")
    assert bio_tags(words, [(0, 2, "x"), (3, 8, "x")]) == ["B-x", "B-x", "I-x"]
    assert bio_tags(words, [(4, 5, "y")]) == ["O", "B-y", "O"]  # a word that is touched is inside
    assert bio_tags([], []) == []


def test_pieces_that_cannot_be():
    words = word_spans("ab cd")
    with pytest.raises(ValueError, match="the piece 'y' at 1 .. 4 shares a word with another"):
        bio_tags(words, [(0, 2, "x"), (1, 4, "y")])
    with pytest.raises(ValueError, match="touches no word"):
        bio_tags(words, [(2, 3, "x")])


def test_of_words_and_of_spans_agree():
    by_words = TokenExample.of_words(["Go", "to", "York"], (0, 0, 1), group="g")
    by_spans = TokenExample.of_spans("Go to York", [(6, 10, "x")], LABELS, group="g")
    assert by_words == by_spans and by_words.word_texts == ["Go", "to", "York"]


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        (((0, 1),), (0, 0), "got 1 words and 2 tags"),
        (((0, 2), (1, 3)), (0, 0), "overlaps another"),
        (((0, 9),), (0,), "leaves the text of 5"),
        (((1, 1),), (0,), "is empty"),
    ],
)
def test_words_that_cannot_be(words, tags, message):
    with pytest.raises(ValueError, match=message):
        TokenExample("ab cd", words, tags, "g")


def test_spans():
    assert SpanExample("who?", "it was Ada.", 7, 10, "g").answer == "Ada"
    for start, stop in ((3, 3), (-1, 2), (4, 99)):
        with pytest.raises(ValueError, match="empty or leaves the text"):
            SpanExample("who?", "it was Ada.", start, stop, "g")


def of_letters(letters):
    return ("O", *(f"{letter}-{kind}" for kind in "xy" for letter in letters))


@pytest.mark.parametrize("letters", ["", "BI", "I", "B", "IE", "BIES", "BILU"])
def test_labels_of_every_scheme_are_taken(letters):
    example = TokenExample("a", ((0, 1),), (0,), "g")
    assert TokenTask("t", "", of_letters(letters), (example,), (), ()).labels[0] == "O"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((), "must have 'O' first"),
        (("B-x", "I-x", "O"), "must have 'O' first .*cut off"),
        (("NUM", "SYM"), "must have 'O' first"),
        (("O", "NUM", "SYM"), "'NUM' marks no piece"),
        (("O", "B-x", "B-x"), "names a tag twice"),
        (("O", "B-x", "I-x", "L-x"), "begin with B, I, L, which is no scheme .*give all tags"),
        (of_letters("BIEU"), "no scheme"),
        (of_letters("BIEULS"), "no scheme"),
    ],
)
def test_labels_of_no_scheme_are_refused(labels, message):
    example = TokenExample("a", ((0, 1),), (0,), "g")
    with pytest.raises(ValueError, match=message):
        TokenTask("t", "", labels, (example,), (), ())


def test_tasks_refuse_leaks_and_unknown_tags():
    def token(tag, group):
        return TokenExample("a", ((0, 1),), (tag,), group)

    with pytest.raises(ValueError, match="a group in two splits"):
        TokenTask("t", "", LABELS, (token(0, "g"),), (), (token(0, "g"),))
    with pytest.raises(ValueError, match=r"tags must be 0 .. 4, got \[5\]"):
        TokenTask("t", "", LABELS, (token(5, "g"),), (), ())
    span = SpanExample("q", "text", 0, 4, "g")
    with pytest.raises(ValueError, match="a group in two splits"):
        SpanTask("t", "", (span,), (span,), ())


def test_descriptions_and_splits():
    example = TokenExample.of_words(["a", "b"], (1, 0), group="g")
    task = TokenTask("t", "free", LABELS, (example,), (), (), notes="made by hand")
    assert "2 words, 50.0% tagged" in task.describe() and task.describe().endswith("made by hand")
    assert task.examples("train") == (example,)
    with pytest.raises(UnknownName, match="did you mean 'train'"):
        task.examples("trian")
    spans = SpanTask("s", "free", (SpanExample("q", "text", 0, 4, "g"),), (), ())
    assert "texts of 4 characters, answers of 4" in spans.describe()


def test_names_of_tags():
    assert bio_names([]) == ("O",)
    assert bio_names(["x", "y"]) == LABELS
