"""Shuffling without a table, and seeds that differ."""

import numpy as np
import pytest
import torch

from course_lib.batches import generator_for, seed_of, shuffled


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 16, 17, 1000, 4097])
def test_shuffled_is_a_permutation_at_every_size(n):
    assert sorted(shuffled(np.arange(n), n, key=1).tolist()) == list(range(n))


def test_one_place_equals_the_same_place_of_the_whole():
    whole = shuffled(np.arange(1000), 1000, key=5)
    for i in (0, 17, 999):
        assert shuffled(np.array([i]), 1000, key=5)[0] == whole[i]
    assert shuffled(np.array([10**12]), 10**12 + 7, key=5)[0] < 10**12 + 7


def test_shuffle_is_uniform():
    """Every entry falls on every place equally often over 4 000 keys: chi-square within 5 sigma."""
    n, keys = 10, 4000
    counts = np.zeros((n, n))
    for key in range(keys):
        counts[np.arange(n), shuffled(np.arange(n), n, key)] += 1
    chi2 = ((counts - keys / n) ** 2 / (keys / n)).sum()
    df = (n - 1) ** 2
    assert abs(chi2 - df) < 5 * np.sqrt(2 * df)


def test_neighbours_are_torn_apart():
    """Consecutive places hold consecutive entries with chance 1/n: about one pair, Poisson(1)."""
    order = shuffled(np.arange(5000), 5000, key=2)
    assert (np.diff(order) == 1).sum() <= 6


def test_shuffled_refuses_what_is_outside():
    with pytest.raises(ValueError, match="0 .. n-1 with n = 4"):
        shuffled(np.array([4]), 4, key=0)


def test_seeds_differ():
    keys = [(s, e, t) for s in range(5) for e in range(5) for t in range(40)]
    assert len({seed_of(*k) for k in keys}) == len(keys)
    draws = {tuple(torch.rand(2, generator=generator_for(*k)).tolist()) for k in keys}
    assert len(draws) == len(keys)
