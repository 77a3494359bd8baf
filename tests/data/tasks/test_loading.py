"""Labelled tasks: no film and no sentence on two sides."""

from __future__ import annotations

import math

import pytest

from course_lib.data import FetchError, UnknownName, load_task, split_of
from course_lib.data.records import SPLITS, normalise
from course_lib.data.tasks.reviews import HELD_OUT, split_reviews


@pytest.fixture(scope="module")
def reviews():
    try:
        return load_task("film-reviews", progress=False)
    except FetchError as error:
        pytest.skip(f"no download here: {error}")


def test_repeats_are_kept_once_and_contradictions_dropped():
    rows = [
        ("b", "fresh", "Nice work."),
        ("a", "fresh", "nice  work."),
        ("a", "rotten", "Dull."),
        ("c", "fresh", "dull."),
    ]
    examples = [e for split in split_reviews(rows).values() for e in split]
    assert [(e.group, e.label, e.text) for e in examples] == [("a", 1, "nice  work.")]
    assert split_reviews(rows) == split_reviews(rows[::-1])


def test_adding_a_film_moves_no_other():
    rows = [(f"film {i}", "fresh", f"sentence {i}") for i in range(300)]
    more = [*rows, ("a new film", "rotten", "new sentence")]
    before, after = split_reviews(rows), split_reviews(more)
    for split in SPLITS:
        assert set(before[split]) <= set(after[split])


def test_nothing_is_on_two_sides(reviews):
    for part in (lambda e: e.group, lambda e: normalise(e.text)):
        sets = [{part(e) for e in reviews.examples(split)} for split in SPLITS]
        assert sum(map(len, sets)) == len(set.union(*sets))
    texts = [normalise(e.text) for split in SPLITS for e in reviews.examples(split)]
    assert len(texts) == len(set(texts))


def test_sizes_and_balance(reviews):
    examples = [e for split in SPLITS for e in reviews.examples(split)]
    assert 12_500 < len(examples) < 12_808 and reviews.labels == ("rotten", "fresh")
    fresh = sum(e.label for e in examples) / len(examples)
    assert abs(fresh - 7403 / 12808) < 0.01
    films = {split: len({e.group for e in reviews.examples(split)}) for split in SPLITS}
    n = sum(films.values())
    for split in ("validation", "test"):
        assert abs(films[split] - HELD_OUT * n) < 4 * math.sqrt(n * HELD_OUT * (1 - HELD_OUT))
    assert sum(reviews.balance("test").values()) == pytest.approx(1)


def test_labels_are_the_right_way_round(reviews):
    def share(word: str) -> float:
        labels = [e.label for e in reviews.train if word in e.text.lower().split()]
        return sum(labels) / len(labels)

    assert share("moving") > 0.7 and share("dull") < 0.3


def test_the_films_corpus_has_not_read_the_test_films(reviews, real):
    train = "\n".join(normalise(text) for text in real("films").texts("train"))
    test = [normalise(e.text) for e in reviews.test if len(e.text) >= 60]
    assert not [text for text in test if text in train]
    assert all(split_of(f"films/{e.group}") != "train" for e in reviews.test)


def test_unknown_task():
    with pytest.raises(
        UnknownName, match=r"unknown task 'film-review'; did you mean 'film-reviews'\?"
    ):
        load_task("film-review")
