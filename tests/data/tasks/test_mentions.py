"""Names and links of the encyclopaedia: what is marked and kept; no article is on two sides."""

from __future__ import annotations

import pytest

from course_lib.data import Corpus, Document, Link, load_task
from course_lib.data.records import SPLITS
from course_lib.data.tasks.mentions import (
    asks,
    explained,
    link_spans_task,
    names_of,
    names_task,
    sentences,
    whole_words,
)

TEXT = (
    "The Nile is a river that flows through Egypt and ends in the sea. "
    "Many people of Egypt live beside the Nile. "
    "It was crossed by Napoleon on his way to the great desert."
)


def document(text=TEXT, links=("Nile", "Egypt", "river")):
    target = {"river": "Stream"}
    found = [Link(text.index(x), text.index(x) + len(x), target.get(x, x)) for x in links]
    return Document.of(text, "wikipedia", "River", sorted(found))


def corpus(*documents):
    return Corpus("wikipedia", "free", documents, (), ())


def tagged(example):
    return [w for w, t in zip(example.word_texts, example.tags, strict=True) if t]


def all_of(task):
    return [e for s in SPLITS for e in task.examples(s)]


def test_later_mentions_are_marked_and_unexplained_sentences_dropped():
    # the third has a name that nobody linked
    first, second = all_of(names_task(corpus(document())))
    assert first.text == first.text.lower() and tagged(first) == ["nile", "egypt"]
    assert tagged(second) == ["egypt", "nile"]


def test_a_mention_inside_a_longer_link_is_not_marked_again():
    text = "Egypt is here. The history of Egypt is there, and Egypt is old."
    links = [Link(0, 5, "Egypt"), Link(19, 35, "History")]
    spans = [text[a:b] for a, b in names_of(Document.of(text, "wikipedia", "E", links))]
    assert spans == ["Egypt", "Egypt"]


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("The river Nile.", [(10, 14)], True),
        ("The river Nile.", [], False),
        ("In May it floods.", [], True),
        ("It is an iPod.", [], False),
        ("He and I saw it.", [], True),
    ],
)
def test_explained(text, names, expected):
    assert explained(text, names) is expected


def test_sentences():
    text = "One. Two (ii). Three.\nFour"
    assert [text[a:b] for a, b in sentences(text)] == ["One.", "Two (ii).", "Three.", "Four"]
    text = "It is 3.5 m. Mr. X. Y. Smith saw."
    assert [text[a:b] for a, b in sentences(text)] == ["It is 3.5 m.", "Mr.", "X. Y. Smith saw."]
    assert sentences("") == []


def test_pieces_are_whole_words():
    assert whole_words("a b", [(0, 1), (2, 3)]) and not whole_words("ab c", [(1, 2)])


def test_questions_whose_answer_can_be_looked_up_are_left_out():
    assert not asks(Link(0, 4, "Nile"), "The nile floods.")
    assert not asks(Link(0, 4, "Nile (river)"), "The Nile floods.")
    (example,) = all_of(link_spans_task(corpus(document())))
    assert (example.question, example.answer) == ("Stream", "river")


def test_real_tasks(real):
    real("wikipedia")
    names, spans = load_task("names", progress=False), load_task("link-spans", progress=False)
    for task, least in ((names, 2000), (spans, 2000)):
        assert len(task.train) > least and len(task.test) > 300
        groups = [{e.group for e in task.examples(s)} for s in SPLITS]
        assert sum(map(len, groups)) == len(set.union(*groups))
    share = [t > 0 for e in names.train for t in e.tags]
    assert 0.1 < sum(share) / len(share) < 0.2
    assert all(e.text == e.text.lower() for e in names.train)
    assert all(e.question.lower() not in e.text.lower() for e in all_of(spans))
