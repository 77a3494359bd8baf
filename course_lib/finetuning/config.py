"""How to fine-tune: every setting in one record, checked when it is made.

A rate that is left out follows from what is trained: 1e-4 for weights that pre-training found, 5e-3
for a head alone, which starts from noise and can't forget anything.

>>> FineTuneConfig(tune="head").rate, FineTuneConfig(tune="full").rate, FineTuneConfig(lr=3e-5).rate
(0.005, 0.0001, 3e-05)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from course_lib.training import LoopConfig, TrainConfig

from .heads import POOLINGS

RATES: dict[str | int, float] = {"head": 5e-3, "other": 1e-4}


@dataclass(frozen=True, kw_only=True)
class FineTuneConfig(LoopConfig):
    """How to tune.

    epochs, batch_size (rows), max_len (tokens of a row; longer texts are cut).
    tune: "full", "head", or how many blocks at the top are trained with the head.
    n_labels: train on so many examples, drawn by ``seed`` (with one seed, the smaller sets are part
        of the larger ones); ``None`` takes all.
    pooling: "first", "mean" or "max"; transform: a trained tanh layer in the head; dropout: in the
        head.
    class_weights: ``None`` or "balanced".
    lr: peak rate; ``None`` takes 5e-3 for the head alone and 1e-4 otherwise.
    evaluate_every: steps; ``None`` with patience means once an epoch.
    seed: of the head's first weights, of dropout, of the order, and of which labels are drawn.
    The others: see ``LoopConfig``.

    Raises ValueError or TypeError naming the field that can't be.
    """

    epochs: float = 3.0
    batch_size: int = 32
    max_len: int = 128
    tune: str | int = "full"
    n_labels: int | None = None
    pooling: str = "mean"
    transform: bool = False
    dropout: float = 0.1
    class_weights: str | None = None
    lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.epochs > 0:
            raise ValueError(f"epochs must be positive, got {self.epochs}")
        if self.tune not in ("full", "head") and not (type(self.tune) is int and self.tune >= 1):
            raise ValueError(
                "tune must be 'full', 'head' or a number of blocks of at least 1, got "
                f"{self.tune!r}"
            )
        for name, least in (("batch_size", 1), ("max_len", 8)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {POOLINGS}, got {self.pooling!r}")
        if self.class_weights not in (None, "balanced"):
            raise ValueError(
                f"class_weights must be None or 'balanced', got {self.class_weights!r}"
            )
        if self.n_labels is not None and self.n_labels < 1:
            raise ValueError(f"n_labels must be at least 1, got {self.n_labels}")
        # raises where a field of the loop can't be
        self.training(1)

    @property
    def rate(self) -> float:
        """The peak learning rate."""
        return RATES.get(self.tune, RATES["other"]) if self.lr is None else self.lr

    def training(self, steps_per_epoch: int) -> TrainConfig:
        """The part of this configuration that ``train`` needs."""
        every = self.evaluate_every or (steps_per_epoch if self.patience else None)
        steps = max(1, math.ceil(self.epochs * steps_per_epoch))
        return TrainConfig(**self.loop(steps=steps, lr=self.rate, evaluate_every=every))


DEFAULT = FineTuneConfig()
"""Three epochs of everything at 1e-4."""
