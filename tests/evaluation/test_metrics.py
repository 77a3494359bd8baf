"""Scores against scikit-learn, intervals against theory, groups that widen them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as theirs

from course_lib.evaluation import classification_scores, entity_scores, seed_interval, span_scores
from course_lib.evaluation.intervals import interval_of_sums
from course_lib.evaluation.metrics import entity_counts, pieces_of, ratio, word_f1


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(8))
def test_classification_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4 if seed else 1, 60)
    guess = np.where(rng.random(60) < 0.6, truth, rng.integers(0, 5, 60))
    scores = classification_scores(truth, guess, generator=chance())
    assert scores["accuracy"].estimate == pytest.approx(theirs.accuracy_score(truth, guess))
    assert scores["macro_f1"].estimate == pytest.approx(theirs.f1_score(truth, guess, average="macro"))
    assert scores["mcc"].estimate == pytest.approx(theirs.matthews_corrcoef(truth, guess))
    assert next(iter(scores)) == "accuracy"


def test_the_interval_has_the_width_of_theory():
    n, p = 900, 0.7
    right = np.arange(n) < p * n
    interval = interval_of_sums(ratio, np.stack([right, np.ones(n)], 1), generator=chance(), resamples=4000)
    half = 1.96 * (p * (1 - p) / n) ** 0.5
    assert interval.low == pytest.approx(p - half, abs=0.1 * half)
    assert interval.high == pytest.approx(p + half, abs=0.1 * half)


def test_sentences_of_one_group_are_not_independent():
    right = np.repeat(np.arange(60) % 3 > 0, 10)  # ten sentences of a film, all right or all wrong
    counts = np.stack([right, np.ones(600)], 1)
    alone = interval_of_sums(ratio, counts, generator=chance())
    grouped = interval_of_sums(ratio, counts, np.repeat(np.arange(60), 10), generator=chance())
    assert grouped.estimate == alone.estimate
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(10**0.5, rel=0.2)


def test_95_of_100_intervals_hold_the_truth():
    rng, hits, n = np.random.default_rng(0), 0, 300
    for seed in range(n):
        counts = np.stack([rng.random(120) < 0.6, np.ones(120)], 1)
        interval = interval_of_sums(ratio, counts, generator=chance(seed), resamples=400)
        hits += interval.low <= 0.6 <= interval.high
    assert (
        abs(hits - 0.95 * n) < 4 * (n * 0.95 * 0.05) ** 0.5 + 0.02 * n
    )  # the percentile interval is a little narrow


def test_pieces():
    assert pieces_of([]) == [] and pieces_of(["O", "O"]) == []
    assert pieces_of(["B-x", "B-x", "I-y", "O", "I-y", "I-y"]) == [
        ("x", 0, 0), ("x", 1, 1), ("y", 2, 2), ("y", 4, 5)]  # fmt: skip


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


def test_seeds():
    from scipy import stats

    scores = [0.8, 0.82, 0.87, 0.79]
    low, high = stats.t.interval(0.95, 3, np.mean(scores), stats.sem(scores))
    interval = seed_interval(scores)
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))


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
