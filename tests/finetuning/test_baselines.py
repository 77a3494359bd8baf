"""What a score has to beat."""

from __future__ import annotations

import itertools

import pytest

from course_lib.data import (
    Example,
    PairExample,
    SpanExample,
    SpanTask,
    Task,
    TokenExample,
    TokenTask,
)
from course_lib.finetuning import baseline_scores
from course_lib.finetuning.baselines import bag_of_words, look_up, majority


def texts(n=40):
    return [
        Example(f"{'good' if i % 4 else 'bad'} film number {i}", int(i % 4 > 0), f"g{i}")
        for i in range(n)
    ]


def test_majority_is_that_of_training():
    assert majority(texts(), [Example("bad", 0, "x")] * 2) == [1, 1]


def test_a_bag_learns_words_and_knows_no_test_text():
    asked = [Example("bad thing", 0, "x"), Example("good thing", 1, "y")]
    assert bag_of_words(texts(), asked) == [0, 1]
    same = [Example(f"text {i}", 1, "g") for i in range(3)]
    assert bag_of_words(same, texts(4)) == [1] * 4  # one class: nothing to learn


def test_a_bag_of_pairs_sees_shared_words():
    names = [f"word{i}" for i in range(30)]
    pairs = [
        PairExample(a, a if i % 2 else b, i % 2, a)
        for i, (a, b) in enumerate(itertools.pairwise(names))
    ]
    asked = [PairExample("word3", "word3", 1, ""), PairExample("word3", "word9", 0, "")]
    assert bag_of_words(pairs, asked) == [1, 0]


def test_look_up():
    train = [
        TokenExample.of_words(["Paris", "is", "a", "paris"], t, group="g")
        for t in ([1, 0, 0, 1], [0, 0, 0, 1])
    ]
    assert look_up(train, [TokenExample.of_words(["PARIS", "Rome"], [1, 1], group="h")]) == [[1, 0]]


def test_scores_of_tasks():
    test = tuple(Example(e.text, e.label, "t" + e.group) for e in texts())
    task = Task("t", "", ("bad", "good"), tuple(texts()), (), test)
    scores = baseline_scores(task)
    assert scores["majority"]["accuracy"].estimate == 0.75
    assert scores["bag of words"]["accuracy"].estimate == 1
    few = baseline_scores(task, train=task.train[1:3])
    assert few["bag of words"]["accuracy"].estimate == 0.75
    words = [TokenExample.of_words(["x", "y"], [1, 0], group=f"g{i}") for i in range(6)]
    tagged = TokenTask("w", "", ("O", "B-x", "I-x"), tuple(words[:3]), (), tuple(words[3:]))
    assert baseline_scores(tagged)["look-up"]["entity_f1"].estimate == 1
    assert baseline_scores(tagged)["majority"]["entity_f1"].estimate == 0


@pytest.mark.not_strict("wrong types")
def test_spans_have_none():
    spans = SpanTask("s", "", (SpanExample("q", "text", 0, 4, "g"),), (), ())
    with pytest.raises(ValueError, match="spans have no baseline here"):
        baseline_scores(spans)
