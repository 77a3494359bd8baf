"""What learns: a model on its device, with its optimiser and the number format that it computes in.

    model, objective       what is minimised, and of what
    forward                the model as it is called: wrapped for several workers, compiled if asked
    optimizer, trainable   what moves, and by which rule
    precision, scaler      "fp32", "bf16", or "fp16" with its loss scale

Cost: what the optimiser keeps, 8 bytes a trainable parameter for AdamW.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn

from course_lib import hardware
from course_lib.distributed import Workers
from course_lib.objectives import Objective
from course_lib.optimisation import OPTIMIZERS, rate_scales, scale_rates

from .config import TrainConfig

SMALLEST_SCALE = 1.0
"""Of fp16's loss: a gradient that is not finite at this one does not overflow, it is wrong."""


@dataclass
class Learner:
    """See the top of the file; ``prepare`` makes it, ``loop.step`` moves it."""

    model: nn.Module
    objective: Objective
    wrapped: nn.Module
    forward: nn.Module
    optimizer: torch.optim.Optimizer
    trainable: list[nn.Parameter]
    device: torch.device
    workers: Workers
    precision: str = field(init=False)
    scaler: torch.amp.GradScaler = field(init=False)

    def use(self, precision: str) -> None:
        """Compute in this precision from now on. Raises ValueError for what can't be."""
        _check_sharded(self.workers, precision)
        if precision == "fp32":
            hardware.allow_tf32(self.device)
        self.precision = precision
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")


def _check_sharded(workers: Workers, precision: str) -> None:
    if workers.sharded and precision == "fp16":
        raise ValueError(
            "sharded workers can't use precision='fp16', also where 'auto' chooses it: take 'bf16' "
            "or 'fp32'"
        )


def prepare(
    model: nn.Module,
    objective: Objective,
    config: TrainConfig,
    device: torch.device,
    workers: Workers,
) -> Learner:
    """``model`` moved to ``device`` (in place) and made ready to learn by ``config``.

    Raises ValueError for what sharded workers can't do.
    """
    if workers.sharded and config.optimizer == "muon":
        raise ValueError(
            "sharded workers can't use optimizer='muon' (it needs whole matrices): take 'adamw' or "
            "'sgd'"
        )
    auto = config.precision == "auto"
    precision = workers.agree(hardware.precision(device)) if auto else config.precision
    _check_sharded(workers, precision)
    wrapped = workers.wrap(model.to(device))
    optimizer = OPTIMIZERS[config.optimizer](
        model, lr=config.lr, weight_decay=config.weight_decay, betas=config.betas, eps=config.eps
    )
    if (config.layer_decay, config.head_scale) != (1, 1):
        scale_rates(optimizer, model, rate_scales(model, config.layer_decay, config.head_scale))
    # whatever the caller left there is not this run's
    optimizer.zero_grad(set_to_none=True)
    learner = Learner(
        model=model,
        objective=objective,
        wrapped=wrapped,
        forward=_compiled(wrapped) if config.compile else wrapped,
        optimizer=optimizer,
        trainable=[p for p in model.parameters() if p.requires_grad],
        device=device,
        workers=workers,
    )
    learner.use(precision)
    model.train()
    return learner


def _compiled(model: nn.Module) -> nn.Module:
    """torch's annotation says that a function comes back; of a module it is a module."""
    return cast(nn.Module, torch.compile(model))
