"""A shuffle that is computed entry by entry, and generators that depend only on what they are for.

A Feistel network is a bijection of the row numbers 0 .. n-1: each of its rounds mixes one half of a
number's bits into the other half, which can be undone. So the row at place i of a shuffled epoch
costs the same for the first and for the billionth, and no list of n numbers is kept.

Cost: O(1) for each entry, a few rounds on average. Source: Luby & Rackoff 1988
(doi:10.1137/0217022).

>>> sorted(shuffled(np.arange(10), 10, key=3).tolist())
[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import torch

_ROUNDS = 6


def seed_of(*key: int | str) -> int:
    """A 63-bit seed from any numbers and words; different keys give unrelated seeds."""
    digest = hashlib.blake2b(json.dumps(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator_for(seed: int, epoch: int, step: int) -> torch.Generator:
    """A CPU generator whose numbers depend on (seed, epoch, step) alone."""
    # torch's CPU generator takes 32 bits
    return torch.Generator().manual_seed(seed_of("masks", seed, epoch, step) % 2**32)


def _mix(x: np.ndarray, key: np.uint64) -> np.ndarray:
    """The finaliser of splitmix64 (Steele et al. 2014): each input bit changes every output bit."""
    x = x + key
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def shuffled(index: np.ndarray, n: int, key: int) -> np.ndarray:
    """Where each place of a shuffled 0 .. n-1 comes from, without the other places being computed.

    index: places, integers in 0 .. n-1, any shape. key: another key, another shuffle. The network
    permutes the smallest 4^k >= n; what falls outside 0 .. n-1 walks on along its cycle until it is
    inside (on average less than four walks). Raises ValueError for an index outside.
    """
    index = np.asarray(index)
    if n < 1 or index.size and (index.min() < 0 or index.max() >= n):
        raise ValueError(
            f"index must lie in 0 .. n-1 with n = {n}, got {index.min()} .. {index.max()}"
        )
    half = np.uint64(max(1, (int(n - 1).bit_length() + 1) // 2))
    low = np.uint64((1 << int(half)) - 1)
    keys = [np.uint64(seed_of("shuffle", key, r)) for r in range(_ROUNDS)]
    result = index.astype(np.uint64).ravel()
    todo = np.ones(result.shape, dtype=bool)
    while todo.any():
        left, right = result[todo] >> half, result[todo] & low
        for k in keys:
            left, right = right, left ^ (_mix(right, k) & low)
        result[todo] = (left << half) | right
        todo[todo] = result[todo] >= n
    return result.astype(np.int64).reshape(index.shape)
