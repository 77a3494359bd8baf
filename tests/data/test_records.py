"""Records and the split rule."""

from __future__ import annotations

import math

import pytest

from course_lib.data import Corpus, Document, Example, Link, Task, UnknownName, split_of
from course_lib.data.records import SPLITS, normalise, text_id


def document(text: str, **more) -> Document:
    return Document.of(text, "here", **more)


@pytest.mark.parametrize("held_out", [0.05, 0.1, 0.25])
def test_shares_are_as_asked_for_within_four_sigma(held_out):
    n = 20_000
    splits = [split_of(f"key {i}", held_out) for i in range(n)]
    sigma = math.sqrt(held_out * (1 - held_out) / n)
    for split in ("validation", "test"):
        assert abs(splits.count(split) / n - held_out) < 4 * sigma


def test_split_is_pinned():
    """Another rule would move documents between splits of everybody's runs: these are forever."""
    titles = ("Anarchism", "Aristotle", "Astronaut")
    assert [split_of(f"wikipedia/{title}") for title in titles] == ["train", "validation", "test"]


def test_held_out_sets_are_nested():
    """The test documents at 5 % stay held out at 10 %."""
    for i in range(5000):
        if split_of(str(i), 0.05) != "train":
            assert split_of(str(i), 0.1) == "test"


def test_held_out_is_checked():
    with pytest.raises(ValueError, match=r"held_out must be between 0 and 0\.5, got 0\.7"):
        split_of("a", 0.7)
    assert split_of("a", 0.0) == "train"


def test_document_id_is_the_texts():
    a, b = document("same"), Document.of("same", "elsewhere", "other")
    assert a.id == b.id == text_id("same") and len(a.id) == 16
    with pytest.raises(ValueError, match=r"id must be text_id\(text\).*use Document\.of"):
        Document("0" * 16, "same", "here")


@pytest.mark.parametrize("text", ["", " \n "])
def test_empty_document(text):
    with pytest.raises(ValueError, match="has an empty text"):
        document(text)


@pytest.mark.parametrize(
    "links",
    [[Link(2, 9, "A")], [Link(2, 2, "A")], [Link(-1, 2, "A")], [Link(0, 3, "A"), Link(2, 4, "B")]],
)
def test_links_outside_or_overlapping(links):
    with pytest.raises(ValueError, match="overlaps another or leaves the text of 5 characters"):
        document("12345", links=links)


def test_corpus_refuses_a_document_in_two_splits():
    with pytest.raises(ValueError, match="holds a document twice"):
        Corpus("c", "free", (document("a"),), (), (document("a"),))


def test_corpus_reads():
    corpus = Corpus(
        "c", "free", (document("a b"), document("c")), (document("d"),), (), notes="Dropped: 1"
    )
    assert corpus.texts() == ["a b", "c"] and corpus.texts("validation") == ["d"]
    assert corpus.counts() == {"train": (2, 4), "validation": (1, 1), "test": (0, 0)}
    assert all(
        part in corpus.describe()
        for part in ("2 documents", "4 characters", "Licence: free", "Dropped: 1")
    )
    with pytest.raises(UnknownName, match=r"unknown split 'valid'; did you mean 'validation'\?"):
        corpus.texts("valid")


def test_fingerprint_sees_texts_and_splits_and_nothing_else():
    a, b = document("a"), document("b")
    first = Corpus("c", "free", (a,), (b,), ())
    assert first.fingerprint == Corpus("other", "", (a,), (b,), (), notes="x").fingerprint
    others = [
        Corpus("c", "free", (a, b), (), ()),
        Corpus("c", "free", (b,), (a,), ()),
        Corpus("c", "free", (a,), (), (b,)),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_task_refuses_a_group_in_two_splits_and_strange_labels():
    one, two = Example("x", 0, "film"), Example("y", 1, "film")
    with pytest.raises(ValueError, match="group in two splits"):
        Task("t", "free", ("no", "yes"), (one,), (two,), ())
    with pytest.raises(ValueError, match=r"labels must be 0 \.\. 1, got \[2\]"):
        Task("t", "free", ("no", "yes"), (Example("x", 2, "film"),), (), ())


def test_task_balance():
    examples = (Example("x", 0, "a"), Example("y", 1, "a"), Example("z", 1, "b"))
    task = Task("t", "free", ("no", "yes"), examples, (), ())
    assert task.balance() == {"no": 1 / 3, "yes": 2 / 3}
    assert task.balance("test") == {"no": 0, "yes": 0}
    assert "3 examples" in task.describe() and "yes 66.7%" in task.describe()


def test_normalise():
    assert normalise(" The  CAT\n sat\u00a0here") == "the cat sat here"
    assert SPLITS == ("train", "validation", "test")


@pytest.mark.not_strict
def test_a_document_of_what_is_no_text():
    with pytest.raises(
        ValueError, match="half a character, a lone surrogate, at place 4"
    ) as raised:
        Document.of("the \ud83d", "test")
    assert type(raised.value) is ValueError
    with pytest.raises(TypeError, match="text must be a str, got NoneType"):
        Document.of(None, "test")
