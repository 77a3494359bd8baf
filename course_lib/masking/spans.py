"""How often a span starts and how long it is, such that each word is covered at the policy's rate.

A word is left alone if none of the spans that could reach it started. With q the probability that a
span starts at a word and L its length,

    prod_k (1 - q P(L > k)) = 1 - r,     k = 0 .. max_span - 1,     r the policy's rate

is solved for q by bisection. Source: Joshi et al. 2020 (SpanBERT, arXiv:1907.10529, section 3.1).

Cost: computed once for each policy, then remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from .policy import MaskPolicy


@lru_cache(maxsize=64)
def span_bounds(policy: MaskPolicy, device: torch.device) -> Float[Tensor, " k"]:
    """q P(L > k), k = 0 .. max_span - 1: a draw below it starts a span of more than k words."""
    start, survival = span_law(policy)
    return torch.tensor([start * s for s in survival], device=device)


def span_law(policy: MaskPolicy) -> tuple[float, tuple[float, ...]]:
    """The law of the spans: (q, (P(L > 0), P(L > 1), .. P(L > max_span - 1))).

    q is the probability that a span starts at a word, such that a word is covered with probability
    ``policy.rate``. L is geometric, ``P(L = k) ~ (1 - p)^(k - 1)``, cut off at ``max_span`` and
    scaled to one (Joshi et al. 2020, section 3.1), with p such that its mean is
    ``policy.mean_span``.

    >>> q, survival = span_law(MaskPolicy(unit="span"))
    >>> round(sum(survival), 6), round(q, 4)  # the mean length; one span in 24 words
    (3.8, 0.0422)
    """
    return _span_law(policy.rate, policy.mean_span, policy.max_span)


@lru_cache(maxsize=64)
def _span_law(rate: float, mean: float, longest: int) -> tuple[float, tuple[float, ...]]:
    def survival(ratio: float) -> tuple[float, ...]:  # ratio = 1 - p
        weights = [ratio**k for k in range(longest)]
        return tuple(sum(weights[k:]) / sum(weights) for k in range(longest))

    tail = survival(_increasing_root(lambda ratio: sum(survival(ratio)) - mean))

    def coverage(start: float) -> float:
        missed = 1.0
        for s in tail:
            missed *= 1 - start * s
        return 1 - missed

    return (1.0 if rate == 1 else _increasing_root(lambda start: coverage(start) - rate)), tail


def _increasing_root(f: Callable[[float], float]) -> float:
    """The root in [0, 1] of a function that increases, by bisection to the last bit."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return high
