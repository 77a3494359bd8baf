"""How to train: every setting of the loop in one record, checked when it is made.

>>> TrainConfig(steps=1000, lr=3e-4).schedule
'linear'
>>> TrainConfig(steps=1000, warmup=100)
Traceback (most recent call last):
ValueError: warmup is a share of the budget, in [0, 1); got 100.0
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from course_lib.optimisation import OPTIMIZERS, SCHEDULES
from course_lib.settings import Settings

FREE_TO_CHANGE = {"steps", "seconds", "log_every", "evaluate_every", "patience", "compile"}
FREE_TO_CHANGE |= {"checkpoint_every", "checkpoint_seconds", "keep", "tensorboard"}
"""Settings that a resumed run may give other values than the run that it goes on with."""


@dataclass(frozen=True, kw_only=True)
class LoopConfig(Settings):
    """Every setting of the loop but its budget; the configurations of the recipes share it.

    optimizer: "adamw", "muon" (for the hidden matrices, AdamW for the rest) or "sgd" (momentum
        betas[0]).
    lr: peak learning rate.  schedule: a name in ``optimisation.SCHEDULES``.
    warmup: share of the budget.
    layer_decay: multiplies the lr once more for each layer further down.
    head_scale: multiplies the lr of what stands below a child called ``head`` (see
        ``optimisation.layer_rates``).
    weight_decay, betas, eps: of the optimiser.
    clip: largest norm of the gradient (0: no clipping).
    accumulation: micro-batches in a step; the stream's batch is split into so many.
    precision: "fp32", "bf16", "fp16" or "auto" (what the hardware multiplies fast).
    seed: of dropout.  compile: use torch.compile.
    log_every, evaluate_every: steps.
    patience: stop after so many evaluations without a better one, and go back to the best weights.
    checkpoint_every (steps), checkpoint_seconds: either or both.
    keep: how many of the newest checkpoints (0: all).
    tensorboard: also write event files.
    """

    optimizer: str = "adamw"
    lr: float = 1e-3
    schedule: str = "linear"
    warmup: float = 0.1
    layer_decay: float = 1.0
    head_scale: float = 1.0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8
    clip: float = 1.0
    accumulation: int = 1
    precision: str = "auto"
    seed: int = 0
    compile: bool = False
    log_every: int = 20
    evaluate_every: int | None = None
    patience: int | None = None
    checkpoint_every: int | None = None
    checkpoint_seconds: float | None = None
    keep: int = 2
    tensorboard: bool = False

    def loop(self, **changes: Any) -> dict[str, Any]:
        """The loop's settings by name, with ``changes``: what a ``TrainConfig`` is made of."""
        return {f.name: getattr(self, f.name) for f in fields(LoopConfig)} | changes


@dataclass(frozen=True, kw_only=True)
class TrainConfig(LoopConfig):
    """How to train: the loop's settings, and its budget.

    steps or seconds: the budget, exactly one of them.  The others: see ``LoopConfig``.

    Raises ValueError or TypeError naming the field that can't be.
    """

    steps: int | None = None
    seconds: float | None = None

    @property
    def budget(self) -> float:
        """The steps or the seconds, whichever is given."""
        return self.steps or self.seconds or math.inf

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.steps is None) == (self.seconds is None):
            raise ValueError(
                f"give steps or seconds, exactly one; got steps={self.steps}, "
                f"seconds={self.seconds}"
            )
        counts = ("steps", "log_every", "evaluate_every", "patience", "accumulation")
        counts += ("checkpoint_every", "checkpoint_seconds")
        for name in (*counts, "seconds", "lr", "eps"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        for name in ("weight_decay", "clip", "keep"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 < self.layer_decay <= 1 or not self.head_scale > 0:
            raise ValueError(
                f"layer_decay must be in (0, 1] and head_scale positive, got {self.layer_decay} "
                f"and {self.head_scale}"
            )
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is a share of the budget, in [0, 1); got {self.warmup}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be in [0, 1), got {self.betas}")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {sorted(known)}, got {getattr(self, name)!r}"
                )
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise ValueError(
                f"precision must be 'auto', 'fp32', 'bf16' or 'fp16', got {self.precision!r}"
            )
        if self.patience and not self.evaluate_every:
            raise ValueError("patience counts evaluations: give evaluate_every too")
