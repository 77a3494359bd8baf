"""How far a run has come: the numbers that go into a checkpoint, and nothing else.

>>> progress = Progress(step=3, seconds=1.5, best=2.0, best_step=2)
>>> Progress.of(progress.state()) == progress
True
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from .config import TrainConfig


@dataclass
class Progress:
    """Where a run stands.

    step: steps done.  seconds: of training, without evaluation and saving.  tokens: seen so far.
    skipped: how many of the steps moved nothing, because fp16 could not hold their gradient.
    best, best_step: the lowest held-out loss, and after which step.  bad_evaluations: in a row
        that were no better.
    """

    step: int = 0
    seconds: float = 0.0
    tokens: int = 0
    best: float = math.inf
    best_step: int | None = None
    bad_evaluations: int = 0
    skipped: int = 0

    def share(self, config: TrainConfig) -> float:
        """Share of the budget that is spent, 0 to 1 (a little more in seconds)."""
        return (self.step if config.steps else self.seconds) / config.budget

    def judged(self, nll: float) -> bool:
        """Take note of a held-out loss; returns whether it is the best so far."""
        if better := nll < self.best:
            self.best, self.best_step, self.bad_evaluations = nll, self.step, 0
        else:
            self.bad_evaluations += 1
        return better

    def state(self) -> dict[str, Any]:
        """For a checkpoint: what JSON can hold (``None`` for infinity)."""
        return asdict(self) | {"best": None if math.isinf(self.best) else self.best}

    @classmethod
    def of(cls, state: dict[str, Any]) -> Progress:
        """The inverse of ``state``; other keys are passed over, younger fields may be missing."""
        known = cls.__dataclass_fields__
        values: dict[str, Any] = {name: state[name] for name in known if name in state}
        if values["best"] is None:
            values["best"] = math.inf
        return cls(**values)
