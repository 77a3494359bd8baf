"""Scores against scikit-learn, and by hand what it has not."""

from __future__ import annotations

import numpy as np
import pytest
from chance import chance
from sklearn import metrics as theirs

from course_lib.evaluation import classification_scores, entity_scores, seed_interval, span_scores
from course_lib.evaluation.metrics import entity_counts, pieces_of, word_f1


@pytest.mark.parametrize("seed", range(8))
def test_classification_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4 if seed else 1, 60)
    guess = np.where(rng.random(60) < 0.6, truth, rng.integers(0, 5, 60))
    scores = classification_scores(truth, guess, generator=chance())
    assert scores["accuracy"].estimate == pytest.approx(theirs.accuracy_score(truth, guess))
    f1 = theirs.f1_score(truth, guess, average="macro")
    assert scores["macro_f1"].estimate == pytest.approx(f1)
    assert scores["mcc"].estimate == pytest.approx(theirs.matthews_corrcoef(truth, guess))
    assert next(iter(scores)) == "accuracy"


def test_pieces():
    assert pieces_of([]) == [] and pieces_of(["O", "O"]) == []
    found = pieces_of(["B-x", "B-x", "I-y", "O", "I-y", "I-y"])
    assert found == [("x", 0, 0), ("x", 1, 1), ("y", 2, 2), ("y", 4, 5)]


@pytest.mark.parametrize("tag", ["NUM", "SYM", "X-x", "b-x", "B_x", "O-x", "", "x-B", None])
@pytest.mark.not_strict("wrong types")
def test_a_tag_of_no_scheme_is_refused(tag):
    with pytest.raises(ValueError, match=f"{tag!r} marks no piece: .*classification_scores"):
        entity_scores([["O", "B-x"]] * 2, [["O", tag]] * 2, generator=chance())


def test_entities_need_both_ends_and_the_kind():
    truth = ["B-x", "I-x", "O", "B-y"]
    for guess, expected in (
        (truth, (2, 0, 0)),
        (["B-x", "O", "O", "B-y"], (1, 1, 1)),
        (["B-y", "I-y", "O", "B-y"], (1, 1, 1)),
        (["O"] * 4, (0, 0, 2)),
    ):
        assert entity_counts(truth, guess) == expected
    scores = entity_scores([truth] * 3, [["B-x", "O", "O", "B-y"]] * 3, generator=chance())
    assert scores["entity_f1"].estimate == 0.5 and scores["tag_accuracy"].estimate == 0.75
    nothing = entity_scores([["O"]] * 2, [["O"]] * 2, generator=chance())
    assert nothing["entity_f1"].estimate == 0.0


def test_spans():
    text = "the old man and the sea"
    scores = span_scores([text] * 2, [(4, 11), (0, 3)], [(0, 11), None], generator=chance())
    assert scores["span_f1"].estimate == pytest.approx(0.4) and scores["exact_match"].estimate == 0
    assert word_f1(text, (0, 3), (16, 19)) == 1.0  # the same word elsewhere has the same words
    assert word_f1(text, (0, 3), (4, 7)) == 0.0


def test_blanks_at_the_ends_of_a_span_do_not_count():
    text = "so New York\u200b now"
    for truth, guess in (((3, 11), (2, 12)), ((2, 13), (3, 11)), ((3, 12), (3, 11))):
        scores = span_scores([text] * 2, [truth] * 2, [guess] * 2, generator=chance())
        assert scores["exact_match"].estimate == scores["span_f1"].estimate == 1.0
    worse = span_scores([text] * 2, [(3, 11)] * 2, [(3, 6)] * 2, generator=chance())
    assert worse["exact_match"].estimate == 0


def test_what_cannot_be():
    with pytest.raises(ValueError, match="at least two scores, got 1"):
        seed_interval([0.5])
    with pytest.raises(ValueError, match="got 1 and 2"):
        classification_scores([0], [0, 1], generator=chance())
    with pytest.raises(ValueError, match="got 3 and 2"):
        entity_scores([["O"] * 3], [["O"] * 2], generator=chance())
    with pytest.raises(ValueError, match="at least two independent units, got 1"):
        classification_scores([0, 1], [0, 1], ["film"] * 2, generator=chance())
    with pytest.raises(ValueError, match="got 1 groups and 2 examples"):
        classification_scores([0, 1], [0, 1], ["film"], generator=chance())
