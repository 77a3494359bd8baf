"""How sure is a measured number? Bootstrap intervals over the units that were drawn.

A score is a ratio of sums over units (documents, sentences): sum of totals / sum of counts. Draw as
many units as there are, with repetition, compute the score, and do so many times: the middle 95 %
of these scores are the interval.

Resample *units that are independent*, documents rather than tokens: tokens of one document err
together, and an interval over tokens would be far too narrow. To compare two models on the same
units give the differences of their totals: what both find hard cancels.

Cost: ``resamples`` draws of n units. Sources: Efron 1979 (doi:10.1214/aos/1176344552, the
percentile interval), Koehn 2004 (https://aclanthology.org/W04-3250, paired comparison).

>>> losses = torch.tensor([2.0, 3.0, 2.5, 3.5, 2.0, 4.0])
>>> interval = bootstrap_interval(losses, generator=torch.Generator().manual_seed(0))
>>> round(interval.estimate, 3), interval.low < 2.833 < interval.high
(2.833, True)
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Num
from torch import Tensor

from course_lib.settings import settle

_DRAWS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Interval:
    """estimate: the score on all units.  low, high: ends of the interval.

    level: its share of the resampled scores.
    """

    estimate: float
    low: float
    high: float
    level: float

    def __post_init__(self) -> None:
        settle(self, finite=False)

    def __str__(self) -> str:
        return f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]"

    @property
    def excludes_zero(self) -> bool:
        """For differences: whether all of the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def bootstrap_interval(
    totals: Num[Tensor, " n"] | Num[np.ndarray, " n"] | Sequence[float],
    counts: Num[Tensor, " n"] | Num[np.ndarray, " n"] | Sequence[float] | None = None,
    *,
    generator: torch.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Percentile interval of sum(totals) / sum(counts) over units; without counts, of the mean.

    totals: per unit, for instance the summed loss of a document, or the difference of two models'
        sums.
    counts: per unit, for instance its predicted tokens.  level: in (0, 1).

    Raises ValueError for fewer than two units, different lengths, counts that are not positive, or
    a wrong level.
    """
    totals = torch.as_tensor(totals, dtype=torch.float64)
    counts = torch.ones_like(totals) if counts is None else counts
    counts = torch.as_tensor(counts, dtype=torch.float64)
    _check(totals, counts, level, resamples)
    n, scores = len(totals), []
    size = max(1, _DRAWS_AT_ONCE // n)
    for start in range(0, resamples, size):
        drawn = torch.randint(n, (min(size, resamples - start), n), generator=generator)
        scores.append(totals[drawn].sum(1) / counts[drawn].sum(1))
    tail = (1 - level) / 2
    ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
    low, high = torch.cat(scores).quantile(ends).tolist()
    return Interval(float(totals.sum() / counts.sum()), low, high, level)


def _check(totals: Tensor, counts: Tensor, level: float, resamples: int) -> None:
    if totals.ndim != 1 or len(totals) < 2:
        raise ValueError(
            f"totals must be a list of at least two units, got shape {tuple(totals.shape)}"
        )
    if counts.shape != totals.shape or not (counts > 0).all():
        raise ValueError(
            f"counts must be positive, one per unit ({len(totals)}), got shape "
            f"{tuple(counts.shape)}: leave out units in which nothing was counted"
        )
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(
            f"level must be in (0, 1) and resamples positive, got {level} and {resamples}"
        )


Counts = np.ndarray


def interval_of_sums(
    score: Callable[[Counts], Counts],
    counts: Counts,
    groups: Sequence[Hashable] | np.ndarray | None = None,
    *,
    generator: torch.Generator,
    level: float = 0.95,
    resamples: int = 1000,
) -> Interval:
    """Percentile interval of ``score(sum of counts)`` over resampled units.

    score: from sums (r, c) to scores (r,).  counts: per example, (n, c).
    groups: the unit of each example; ``None`` makes each example its own.

    Raises ValueError for fewer than two units, or another number of groups than of examples.
    """
    counts = np.asarray(counts, dtype=np.float64)
    units = np.arange(len(counts)) if groups is None else _numbered(groups)
    if len(units) != len(counts):
        raise ValueError(
            f"one group an example: got {len(units)} groups and {len(counts)} examples"
        )
    n = int(units.max()) + 1 if len(units) else 0
    if n < 2:
        raise ValueError(f"an interval needs at least two independent units, got {n}")
    sums = np.zeros((n, counts.shape[1]))
    np.add.at(sums, units, counts)
    drawn = torch.randint(n, (resamples, n), generator=generator).numpy()
    weights = np.zeros((resamples, n))
    np.add.at(weights, (np.arange(resamples)[:, None], drawn), 1.0)
    tail = (1 - level) / 2
    low, high = np.quantile(score(weights @ sums), [tail, 1 - tail])
    return Interval(float(score(sums.sum(0, keepdims=True))[0]), float(low), float(high), level)


def _numbered(groups: Sequence[Hashable] | np.ndarray) -> np.ndarray:
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(group, len(number)) for group in groups], dtype=np.int64)


def seed_interval(scores: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval:
    """Mean over seeds and Student's interval: mean +- t s / sqrt(n) (for three seeds, t = 4.3).

    It says how a run with another seed may come out, on the same test texts; the bootstrap
    intervals above say how another test set would, with the same model. Raises ValueError for fewer
    than two.

    >>> str(seed_interval([0.80, 0.82, 0.84]))
    '0.82 [0.7703, 0.8697]'
    """
    from scipy.stats import t

    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"an interval over seeds needs at least two scores, got {len(values)}")
    half = t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    mean = float(values.mean())
    return Interval(mean, mean - float(half), mean + float(half), level)
