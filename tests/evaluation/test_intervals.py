import math

import numpy as np
import pytest
from chance import chance

from course_lib.evaluation import Interval, bootstrap_interval, seed_interval
from course_lib.evaluation.intervals import interval_of_sums
from course_lib.evaluation.metrics import ratio


def interval(totals, counts=None, seed=0, **others) -> Interval:
    return bootstrap_interval(totals, counts, generator=chance(seed), **others)


def test_covers_the_truth_as_often_as_it_says():
    """95 % of 300 intervals, within four standard deviations; percentile ones are a bit narrow."""
    rng = np.random.default_rng(0)
    hits = sum(
        i.low <= 1.0 <= i.high
        for i in (interval(rng.exponential(size=80), resamples=400, seed=s) for s in range(300))
    )
    room = 4 * math.sqrt(0.05 * 0.95 / 300)
    assert 0.93 - room < hits / 300 < 0.95 + room


def test_equals_scipy():
    stats = pytest.importorskip("scipy.stats")
    x = np.random.default_rng(1).normal(3, 2, size=60)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=20_000, method="percentile", rng=0)
    want = theirs.confidence_interval
    got = interval(x, resamples=20_000)
    assert got.estimate == pytest.approx(x.mean())
    assert (got.low, got.high) == pytest.approx((want.low, want.high), abs=0.03)


def test_ratio_of_sums_and_not_mean_of_ratios():
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 100, size=200).astype(float)
    totals = counts * (2 + 3 / counts) + rng.normal(size=200)  # short documents are harder
    got = interval(totals, counts)
    truth = totals.sum() / counts.sum()
    assert got.estimate == pytest.approx(truth) and got.low < truth < got.high
    assert not got.low < (totals / counts).mean() < got.high


def test_documents_and_not_tokens_are_the_units():
    """Tokens of a document share their luck: the interval over tokens is far too narrow."""
    rng = np.random.default_rng(3)
    tokens = rng.normal(size=(40, 1)) + 0.1 * rng.normal(size=(40, 50))
    by_document = interval(tokens.sum(1), np.full(40, 50.0))
    by_token = interval(tokens.ravel(), resamples=300)
    assert by_document.high - by_document.low > 4 * (by_token.high - by_token.low)


def test_paired_differences_see_what_two_intervals_do_not():
    rng = np.random.default_rng(4)
    hardness = rng.normal(5, 2, size=100)
    one, other = hardness + rng.normal(0, 0.1, 100), hardness - 0.1 + rng.normal(0, 0.1, 100)
    assert interval(one).low < interval(other).high  # they overlap
    assert interval(one - other).excludes_zero and not interval(one - one.mean()).excludes_zero


def test_repeats_and_prints():
    x = [1.0, 2.0, 4.0]
    assert interval(x) == interval(x) != interval(x, seed=1, resamples=7)
    assert str(Interval(1.23456, 1, 2, 0.95)) == "1.235 [1, 2]"
    assert interval(x, level=0.5).high <= interval(x, level=0.99).high


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (dict(totals=[1.0]), "two units"),
        (dict(totals=[1.0, 2.0], counts=[1.0]), "one per unit"),
        (dict(totals=[1.0, 2.0], counts=[1.0, 0.0]), "positive"),
        (dict(totals=[1.0, 2.0], level=95), "level"),
    ],
)
def test_clear_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        interval(**arguments)


def test_the_interval_has_the_width_of_theory():
    n, p = 900, 0.7
    right = np.arange(n) < p * n
    counts = np.stack([right, np.ones(n)], 1)
    interval = interval_of_sums(ratio, counts, generator=chance(), resamples=4000)
    half = 1.96 * (p * (1 - p) / n) ** 0.5
    assert interval.low == pytest.approx(p - half, abs=0.1 * half)
    assert interval.high == pytest.approx(p + half, abs=0.1 * half)


def test_sentences_of_one_group_are_not_independent():
    right = np.repeat(np.arange(60) % 3 > 0, 10)  # ten sentences of a film, all right or all wrong
    counts = np.stack([right, np.ones(600)], 1)
    alone = interval_of_sums(ratio, counts, generator=chance())
    grouped = interval_of_sums(ratio, counts, np.repeat(np.arange(60), 10), generator=chance())
    assert grouped.estimate == alone.estimate
    wider = (grouped.high - grouped.low) / (alone.high - alone.low)
    assert wider == pytest.approx(10**0.5, rel=0.2)


def test_95_of_100_intervals_hold_the_truth():
    rng, hits, n = np.random.default_rng(0), 0, 300
    for seed in range(n):
        counts = np.stack([rng.random(120) < 0.6, np.ones(120)], 1)
        interval = interval_of_sums(ratio, counts, generator=chance(seed), resamples=400)
        hits += interval.low <= 0.6 <= interval.high
    # the percentile interval is a little narrow
    assert abs(hits - 0.95 * n) < 4 * (n * 0.95 * 0.05) ** 0.5 + 0.02 * n


def test_seeds():
    from scipy import stats

    scores = [0.8, 0.82, 0.87, 0.79]
    low, high = stats.t.interval(0.95, 3, np.mean(scores), stats.sem(scores))
    interval = seed_interval(scores)
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))
