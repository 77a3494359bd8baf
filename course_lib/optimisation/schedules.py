"""How the learning rate moves over a run: functions of the share of the budget that is spent.

    lr(progress) = peak * schedule(progress, warmup=...),      progress and schedule in [0, 1]

The budget may be steps or seconds: as a share, the same function serves both.

Sources: Goyal et al. 2017 (arXiv:1706.02677, warm-up), Loshchilov & Hutter 2017 (arXiv:1608.03983,
cosine), Hu et al. 2024 (arXiv:2404.06395, warm-up-stable-decay), Vaswani et al. 2017
(arXiv:1706.03762, inverse root).

>>> [round(linear(p, warmup=0.1), 3) for p in (0.0, 0.05, 0.1, 0.55, 1.0)]
[0.0, 0.5, 1.0, 0.5, 0.0]
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def constant(progress: float, *, warmup: float = 0.0) -> float:
    """Rise linearly during the first ``warmup`` share of the budget, then stay at 1."""
    return min(1.0, progress / warmup) if warmup else 1.0


def linear(progress: float, *, warmup: float = 0.0) -> float:
    """Rise linearly to 1 at ``warmup``, fall linearly to 0 at the end of the budget."""
    if progress < warmup:
        return progress / warmup
    return max(0.0, (1 - progress) / (1 - warmup))


def cosine(progress: float, *, warmup: float = 0.0) -> float:
    """Rise linearly to 1 at ``warmup``, fall along half a cosine to 0."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup))))


def wsd(progress: float, *, warmup: float = 0.0, decay: float = 0.2) -> float:
    """Warm up, stay at 1, and fall linearly to 0 during the last ``decay`` share of the budget."""
    if progress < warmup:
        return progress / warmup
    return min(1.0, max(0.0, 1 - progress) / decay)


def inverse_root(progress: float, *, warmup: float = 0.0, hold: float = 0.01) -> float:
    """Rise linearly to 1 at ``warmup``, then fall as 1 / sqrt(progress), whatever the budget's end.

    Without a warm-up it stays at 1 during the first ``hold`` share of the budget (as T5 does).
    """
    if progress < warmup:
        return progress / warmup
    peak = warmup or hold
    return math.sqrt(peak / max(peak, min(1.0, progress)))


SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "wsd": wsd,
    "inverse_root": inverse_root,
}
