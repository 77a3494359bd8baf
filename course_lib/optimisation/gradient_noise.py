"""How large should a batch be? The gradient noise scale says where more rows stop paying.

The gradient of a batch of B independent rows is the true gradient G plus noise:
E |g_B|^2 = |G|^2 + tr(S) / B, with S the covariance of one row's gradient. Two batch sizes give two
equations for the two unknowns,

    |G|^2 = (B |g_B|^2 - b |g_b|^2) / (B - b),     tr(S) = (|g_b|^2 - |g_B|^2) / (1/b - 1/B),

and their ratio is the noise scale tr(S) / |G|^2, in rows. Far below it, twice the batch is nearly
as good as twice the steps; far above it, twice the batch changes almost nothing. It grows during
training as |G| shrinks.

Both estimates are unbiased, their ratio is not: average each over many batches first, then divide.
The rows' own means are averaged with their numbers of targets, which are taken to be nearly equal.

Cost: B / b backward passes per batch. Source: McCandlish et al. 2018 (arXiv:1812.06162), section 2
and appendix A.

>>> noise_scale(small=2, big=8, small_square=6.0, big_square=3.0)  # |G|^2 = 2, tr(S) = 8
NoiseScale(signal=2.0, noise=8.0)
>>> noise_scale(small=2, big=8, small_square=6.0, big_square=3.0).rows
4.0
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_lib.batch import Batch
from course_lib.objectives import Objective


@dataclass(frozen=True)
class NoiseScale:
    """signal: estimate of |G|^2, the true gradient.  noise: of tr(S), a row's gradient variance."""

    signal: float
    noise: float

    @property
    def rows(self) -> float:
        """The noise scale tr(S) / |G|^2 in rows; infinite if no signal is found above the noise."""
        return self.noise / self.signal if self.signal > 0 else math.inf


def noise_scale(*, small: int, big: int, small_square: float, big_square: float) -> NoiseScale:
    """Solve the two equations above.

    small, big: batch sizes in rows.  small_square, big_square: mean squared norms of their
    gradients. Raises ValueError unless 1 <= small < big.
    """
    if not 1 <= small < big:
        raise ValueError(
            f"two batch sizes are needed, 1 <= small < big, got small={small}, big={big}"
        )
    signal = (big * big_square - small * small_square) / (big - small)
    return NoiseScale(signal, (small_square - big_square) / (1 / small - 1 / big))


def gradient_noise_scale(
    model: nn.Module, objective: Objective, batches: Iterable[Batch], *, small: int
) -> NoiseScale:
    """Estimate it for ``model`` as it stands, from equal batches cut into ``small`` rows each.

    The weights and their ``grad`` are left as they were; the model's mode (dropout) is the
    caller's. Raises ValueError if the batches are empty, differ in size, or do not split into two
    or more pieces of ``small``.
    """
    device = next(model.parameters()).device
    sizes, small_squares, big_squares = set(), [], []
    for batch in batches:
        batch, rows = batch.to(device), batch.input_ids.shape[0]
        sizes.add(rows)
        if rows % small or rows == small or len(sizes) > 1:
            raise ValueError(
                f"batches must all have the same number of rows, a multiple of small={small} above "
                f"it; got {sizes}"
            )
        losses = [objective(model, batch.rows(i, i + small)) for i in range(0, rows, small)]
        squares, big = _squared_norms(model, losses)
        small_squares += squares
        big_squares.append(big)
    if not sizes:
        raise ValueError("no batch given: the noise scale is estimated from batches")
    mean = lambda values: sum(values) / len(values)
    return noise_scale(
        small=small, big=sizes.pop(), small_square=mean(small_squares), big_square=mean(big_squares)
    )


def _squared_norms(model: nn.Module, losses: list) -> tuple[list[float], float]:
    """Squared norms of the pieces' gradients, and of the gradient of them all together."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    whole = [torch.zeros_like(p) for p in trainable]
    count, squares = sum(loss.count for loss in losses), []
    for loss in losses:
        gradient = torch.autograd.grad(loss.mean, trainable, allow_unused=True)
        gradient = [
            torch.zeros_like(p) if g is None else g
            for p, g in zip(trainable, gradient, strict=True)
        ]
        squares.append(_square(gradient))
        for total, g in zip(whole, gradient, strict=True):
            total.add_(g, alpha=loss.count / count)
    return squares, _square(whole)


def _square(gradient: list[Tensor]) -> float:
    return float(sum(g.double().square().sum() for g in gradient))
