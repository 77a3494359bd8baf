"""The learning-rate range test: one short run in which the rate grows from tiny to absurd.

    lr_k = low (high / low)^(k / (steps - 1)),   k = 0 .. steps - 1

Read the curve from left to right: flat (the rate is too small to do anything), falling, flat again,
then up. A good peak rate lies where the curve still falls steeply, some 3 to 10 times below the
rate at which it turns up. The test knows nothing of warm-up or of long training, so what it gives
is an order of magnitude.

Cost: ``steps`` training steps and one copy of the model. Source: Smith 2017 (arXiv:1506.01186),
section 3.3.

>>> rates = range_of_rates(1e-4, 1.0, 5)
>>> [round(r, 4) for r in rates]
[0.0001, 0.001, 0.01, 0.1, 1.0]
"""

from __future__ import annotations

import copy
import math
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from course_lib.batch import Batch
from course_lib.objectives import Objective

from .optimisers import OPTIMIZERS


@runtime_checkable
class Batches(Protocol):
    """Anything with ``batch(step)``, such as ``batches.MLMStream``."""

    def batch(self, step: int) -> Batch:
        """The batch of a step; steps count from 0."""
        ...


def range_of_rates(low: float, high: float, steps: int) -> list[float]:
    """``steps`` rates from ``low`` to ``high``, equally far apart on a logarithmic axis.

    Raises ValueError unless 0 < low < high and steps is at least 2.
    """
    if not 0 < low < high:
        raise ValueError(f"the rates must satisfy 0 < low < high, got low={low}, high={high}")
    if steps < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    return [low * (high / low) ** (k / (steps - 1)) for k in range(steps)]


def lr_range_test(
    model: nn.Module,
    objective: Objective,
    stream: Batches,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    optimizer: str = "adamw",
    weight_decay: float = 0.0,
    clip: float = 1.0,
    stop_factor: float = 2.0,
) -> list[tuple[float, float]]:
    """(learning rate, loss before that step, nats per target) a step; ``model`` is not touched.

    The work is done on a copy, and torch's random generators are put back, so a training run that
    follows is the same with and without the test.

    optimizer: a name in ``optimisation.OPTIMIZERS``.
    clip: largest norm of the gradient (0: no clipping).
    stop_factor: end when the loss is above this many times the smallest so far, or is not finite;
        the last entry is the loss that ended it (``inf`` if it was not finite).

    Raises ValueError for rates out of order, an unknown optimiser, or a batch without targets.
    """
    rates = range_of_rates(low, high, steps)
    probe, moves = _copy(model, optimizer, low, weight_decay)
    device = next(probe.parameters()).device
    found: list[tuple[float, float]] = []
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        for step, lr in enumerate(rates):
            loss = objective(probe, stream.batch(step).to(device)).mean
            value = loss.item() if torch.isfinite(loss) else math.inf
            found.append((lr, value))
            if value > stop_factor * min(v for _, v in found) or math.isinf(value):
                break
            _step(probe, moves, loss, lr, clip)
    return found


def _copy(
    model: nn.Module, optimizer: str, lr: float, weight_decay: float
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A copy of the model, and an optimiser that moves it."""
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {sorted(OPTIMIZERS)}, got {optimizer!r}")
    probe = copy.deepcopy(model).train()
    options = dict(lr=lr, weight_decay=weight_decay, betas=(0.9, 0.98), eps=1e-8)
    return probe, OPTIMIZERS[optimizer](probe, **options)


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor, lr: float, clip: float
) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip or math.inf)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
