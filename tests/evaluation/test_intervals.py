import math

import numpy as np
import pytest
import torch

from course_lib.evaluation import Interval, bootstrap_interval


def interval(totals, counts=None, seed=0, **others) -> Interval:
    return bootstrap_interval(totals, counts, generator=torch.Generator().manual_seed(seed), **others)


def test_covers_the_truth_as_often_as_it_says():
    """95 % of 300 intervals within four standard deviations of a binomial (the percentile interval is a bit narrow)."""
    rng = np.random.default_rng(0)
    hits = sum(
        i.low <= 1.0 <= i.high
        for i in (interval(rng.exponential(size=80), resamples=400, seed=s) for s in range(300))
    )
    assert 0.93 - 4 * math.sqrt(0.05 * 0.95 / 300) < hits / 300 < 0.95 + 4 * math.sqrt(0.05 * 0.95 / 300)


def test_equals_scipy():
    stats = pytest.importorskip("scipy.stats")
    x = np.random.default_rng(1).normal(3, 2, size=60)
    want = stats.bootstrap((x,), np.mean, n_resamples=20_000, method="percentile", rng=0).confidence_interval
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


@pytest.mark.parametrize(("arguments", "match"), [
    (dict(totals=[1.0]), "two units"), (dict(totals=[1.0, 2.0], counts=[1.0]), "one per unit"),
    (dict(totals=[1.0, 2.0], counts=[1.0, 0.0]), "positive"), (dict(totals=[1.0, 2.0], level=95), "level"),
])  # fmt: skip
def test_clear_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        interval(**arguments)
