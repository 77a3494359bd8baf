"""Machines fail. How often should a run be saved, and what does it lose all the same?

One GPU fails once in a time m on average. Any failure stops all n, so the run's mean time between
failures is M = m / n. A checkpoint costs C seconds, a restart R. With failures that come at random
(a Poisson process) and a checkpoint after every tau seconds of work:

    expected time for W of work        T(tau) = M e^(R/M) (e^((tau + C)/M) - 1) W / tau
    first order, C << M                T / W ~ 1 + C / tau + tau / (2 M)  + R / M
    best interval (Young)              tau = sqrt(2 C M)
    best interval (Daly), for C < 2 M  tau = sqrt(2 C M) (1 + sqrt(C / (2 M)) / 3 + C / (18 M)) - C

``simulate`` draws the failures one by one and knows none of the formulas, which are tested against
it.

Sources: Young 1974 (doi:10.1145/361147.361115), Daly 2006 (doi:10.1016/j.future.2004.11.016,
equations 20 and 37).

>>> round(daly_interval(save=5, between_failures=24 * 60))  # minutes; Daly's figure 3 has 117
117
>>> round(young_interval(save=5, between_failures=24 * 60))
120
"""

from __future__ import annotations

import math

import numpy as np


def young_interval(*, save: float, between_failures: float) -> float:
    """Work between checkpoints that loses least, to first order; all times in one unit."""
    _positive(save=save, between_failures=between_failures)
    return math.sqrt(2 * save * between_failures)


def daly_interval(*, save: float, between_failures: float) -> float:
    """The same to higher order.

    Right also where saving takes a good part of the time between failures.
    """
    young = young_interval(save=save, between_failures=between_failures)
    if save >= 2 * between_failures:
        return between_failures
    ratio = save / (2 * between_failures)
    return young * (1 + math.sqrt(ratio) / 3 + ratio / 9) - save


def expected_slowdown(
    interval: float, *, save: float, restart: float, between_failures: float
) -> float:
    """Expected time of a long run over that without failures and saving (Daly's complete model)."""
    _positive(interval=interval, between_failures=between_failures)
    m = between_failures
    return m * math.exp(restart / m) * math.expm1((interval + save) / m) / interval


def simulate(
    work: float,
    interval: float,
    *,
    save: float,
    restart: float,
    between_failures: float,
    generator: np.random.Generator,
) -> tuple[float, int]:
    """One run of ``work`` seconds of work with failures at random: seconds and count of failures.

    What was done since the last checkpoint is lost; a restart takes ``restart`` and can fail as
    well.
    """
    _positive(work=work, interval=interval, between_failures=between_failures)
    clock, done, failures = 0.0, 0.0, 0
    next_failure = generator.exponential(between_failures)
    ready = 0.0  # seconds of restart that must pass before work goes on
    while done < work:
        piece = min(interval, work - done)
        needed = ready + piece + save
        if clock + needed <= next_failure:
            clock, done, ready = clock + needed, done + piece, 0.0
        else:
            clock, failures, ready = next_failure, failures + 1, restart
            next_failure = clock + generator.exponential(between_failures)
    return clock, failures


def slowest_of(n: int, *, spread: float) -> float:
    """Expected maximum of ``n`` normal step times, mean 1 and standard deviation ``spread``.

    All wait for the slowest worker in every step. Integrated numerically:
    E max = integral of x d(Phi(x)^n).
    """
    _positive(n=n)
    z = np.linspace(-9, 9, 20_001)
    below = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z]) ** n
    return float(1 + spread * np.sum((z[1:] + z[:-1]) / 2 * np.diff(below)))


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
