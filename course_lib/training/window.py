"""What happened since the last log line: summed on the device, looked at when a line is due.

Reading a number from a GPU stalls it until all that was asked of it is done. So the loss, and
whether anything was not finite, stay there as tensors; a look between log lines would cost more
than the sum does.

>>> from course_lib.objectives import Loss
>>> window = Window(torch.device("cpu"))
>>> for step, nats in enumerate((2.0, 4.0, math.nan)):
...     window.add(Loss(torch.tensor(nats), 1), step)
>>> int(window.first_bad), window.count
(2, 3)
"""

from __future__ import annotations

import math

import torch

from course_lib.distributed import Workers
from course_lib.objectives import Loss


class Window:
    """Sums since the last log line. They stay on the device until they are looked at."""

    def __init__(
        self, device: torch.device, total: float = 0.0, count: int = 0, skipped: int = 0
    ) -> None:
        self.total = torch.tensor(total, dtype=torch.float64, device=device)
        self.first_bad = torch.tensor(-1, device=device)
        self.skipped = torch.tensor(skipped, device=device)
        self.count = count
        self.lr: float | None = None
        self.norm: torch.Tensor | None = None

    def add(self, loss: Loss, step: int) -> None:
        """One micro-batch."""
        self.total += loss.total.detach()
        self.count += loss.count
        self.watch(loss.total, step)

    def watch(self, value: torch.Tensor, step: int) -> None:
        """Remember the first step at which a value was not finite."""
        bad = ~torch.isfinite(value.detach()) & (self.first_bad < 0)
        self.first_bad = torch.where(bad, step, self.first_bad)

    def skip(self, norm: torch.Tensor) -> None:
        """Count a step whose gradient fp16 could not hold: it moves nothing."""
        self.skipped = self.skipped + ~torch.isfinite(norm.detach())

    def summary(self, workers: Workers = Workers()) -> dict:  # noqa: B008  (frozen)
        """Means over the tokens since the last log line, of all workers."""
        norm = math.nan if self.norm is None else float(self.norm)
        total, count = workers.sum(float(self.total), self.count)
        return {"loss": total / max(1, count), "lr": self.lr, "gradient_norm": norm}
