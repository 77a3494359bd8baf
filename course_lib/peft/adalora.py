"""AdaLoRA: the update as a singular value decomposition, and ranks that go where they matter.

    y = W x + b + s P diag(l) Q x    P (out, r),  l (r,),  Q (r, in),  s as for LoRA;  l starts at 0

One triplet (column of P, l_i, row of Q) is one rank. While training, three things happen at each
step of the optimiser:

1. *Orthogonality.* The gradient of gamma * mean over all P, Q of ||P^T P - I||_F, ||Q Q^T - I||_F
   is added, so that the triplets of one matrix say different things and l_i measures how much one
   says.
2. *Sensitivity.* For each number w of them I = |w dL/dw|, smoothed, and how unsteady it is,
   smoothed:

       I~ <- b1 I~ + (1 - b1) I,    U~ <- b2 U~ + (1 - b2) |I - I~|,    S(w) = I~ U~
       score of triplet i = S(l_i) + mean_j S(P_ji) + mean_j S(Q_ij)

3. *Budget.* Over all matrices together only the best b(t) triplets keep their l_i; the others are
   set to 0. b(t) falls from r n to target n (n matrices) along a cube, between ``begin`` and
   ``end`` steps before the last:

       b(t) = target n + (r - target) n (1 - (t - begin) / (total - end - begin))^3

   A triplet that is cut still has a gradient, and may come back as long as the budget falls.

The steps are noticed by hooks that every optimiser of PyTorch calls, so any training loop will do.
The number of steps, the smoothed I~ and U~ and which triplets are kept are part of the model's
``state_dict``: a run that is resumed from it ends as one that was not stopped, bit for bit. An
adapter's file does not hold them: a loaded adapter is cut no more.
The paper has the squared Frobenius norm in 1; its code, ``peft`` and this file have the norm
itself.

Cost: LoRA's of the starting rank (its memory, too), 2 r^2 (in + out) operations for the penalty,
and two numbers kept for each parameter, beside the optimiser's two.

Source: Zhang et al. 2023 (arXiv:2303.10512, equations 3 to 12, algorithm 1).

>>> config = AdaLoRAConfig(total_steps=100, rank=4, target_rank=2, begin=10, end=20)
>>> [budget(config, n_matrices=3, step=t) for t in (0, 10, 45, 80, 100)]
[12, 12, 6, 6, 6]
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.hooks import RemovableHandle

from .fused import check_own_forward
from .lora import low_rank, plus
from .method import Config, Plan, at_least, check_dropout, check_rank, trained_dtype
from .site import Layer
from .targets import QUERY, VALUE, find_modules, is_linear, sizes, weight_of

PARTS = ("P", "values", "Q")


@dataclass(frozen=True)
class AdaLoRAConfig(Config):
    """total_steps: of the optimiser, known beforehand.  rank: r, of each matrix at the start;
    target_rank: what is left on average.  begin: steps before the first cut; end: steps after the
    last; every: steps between cuts.
    alpha, dropout, targets, rank_stabilised: as for LoRA.  beta1, beta2: b1 and b2.
    orthogonality: gamma.

    Raises ValueError or TypeError naming the field that can't be.
    """

    kind: ClassVar[str] = "adalora"
    total_steps: int
    rank: int = 12
    target_rank: int = 8
    begin: int = 0
    end: int = 0
    every: int = 1
    alpha: float = 16.0
    dropout: float = 0.0
    beta1: float = 0.85
    beta2: float = 0.85
    orthogonality: float = 0.5
    targets: tuple[str, ...] = (QUERY, VALUE)
    rank_stabilised: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(
            1,
            total_steps=self.total_steps,
            rank=self.rank,
            target_rank=self.target_rank,
            every=self.every,
        )
        at_least(0, begin=self.begin, end=self.end, orthogonality=self.orthogonality)
        check_dropout(self.dropout)
        if self.target_rank > self.rank:
            raise ValueError(
                f"target_rank ({self.target_rank}) must not be above rank ({self.rank}): ranks are "
                "cut, not made"
            )
        if self.begin + self.end >= self.total_steps:
            raise ValueError(
                f"begin ({self.begin}) and end ({self.end}) leave no step for cutting of "
                f"total_steps ({self.total_steps})"
            )
        if not (0 < self.beta1 < 1 and 0 < self.beta2 < 1):
            raise ValueError(
                f"beta1 and beta2 must be in (0, 1), got {self.beta1} and {self.beta2}"
            )

    @property
    def scale(self) -> float:
        """s of the formula."""
        return self.alpha / (math.sqrt(self.rank) if self.rank_stabilised else self.rank)

    def build(self, model: nn.Module, skip: Sequence[str], generator: torch.Generator) -> Plan:
        """Triplets for each target, and the budget over all of them."""
        modules = find_modules(model, self.targets, is_linear, skip=skip)
        check_own_forward(model, list(modules))
        check_rank(self.rank, modules)
        layers = {name: AdaLoRALayer(m, self, generator) for name, m in modules.items()}
        return Plan(dict(layers), watcher=Budget(self, layers))


class AdaLoRALayer(Layer):
    """P, l and Q for one linear layer. kept: which triplets the last cut has left."""

    kept: Bool[Tensor, " r"]

    def __init__(self, base: nn.Module, config: AdaLoRAConfig, generator: torch.Generator) -> None:
        super().__init__()
        r, self.scale, self.dropout = config.rank, config.scale, config.dropout
        device, dtype = weight_of(base).device, trained_dtype(weight_of(base))

        def small(*shape: int) -> nn.Parameter:
            return nn.Parameter((torch.randn(*shape, generator=generator) * 0.02).to(device, dtype))

        n_out, n_in = sizes(base)
        self.P, self.Q = small(n_out, r), small(r, n_in)
        self.values = nn.Parameter(torch.zeros(r, device=device, dtype=dtype))
        for part in PARTS:
            self.register_buffer(f"smooth_{part}", torch.zeros_like(getattr(self, part).data))
            self.register_buffer(f"unsteady_{part}", torch.zeros_like(getattr(self, part).data))
        self.register_buffer("kept", torch.ones(r, dtype=torch.bool, device=device))
        # set on the first layer only, which keeps the number of steps in the model's state
        self.budget: Budget | None = None

    def get_extra_state(self) -> Tensor:
        """For ``state_dict``: the budget's step, or -1 on all layers but the first."""
        return torch.tensor(self.budget.step if self.budget else -1)

    def set_extra_state(self, state: Tensor) -> None:
        """The inverse."""
        if self.budget:
            self.budget.step = int(state)

    def forward(self, base: nn.Module, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        """W x + b + s P diag(l) Q x."""
        dropout = self.dropout if self.training else 0.0
        return low_rank(base, x, self.values[:, None] * self.Q, self.P, self.scale, dropout)

    def merged(self, base: nn.Module) -> dict[str, Tensor]:
        """W + s P diag(l) Q."""
        return {"weight": plus(base, self.P * self.values, self.Q, self.scale)}


def budget(config: AdaLoRAConfig, n_matrices: int, step: int) -> int:
    """b(t): how many triplets are left after ``step`` steps."""
    first, last = config.rank * n_matrices, config.target_rank * n_matrices
    falling = config.total_steps - config.end - config.begin
    if step <= config.begin:
        return first
    if step >= config.total_steps - config.end:
        return last
    return int((first - last) * (1 - (step - config.begin) / falling) ** 3 + last)


def penalty(layers: dict[str, AdaLoRALayer]) -> Float[Tensor, ""]:
    """Mean over all P and Q of ||P^T P - I||_F and ||Q Q^T - I||_F: 0 where the triplets are
    orthonormal.
    """
    squares = [
        square for layer in layers.values() for square in (layer.P.T @ layer.P, layer.Q @ layer.Q.T)
    ]
    norms = [(s - torch.eye(len(s), dtype=s.dtype, device=s.device)).norm() for s in squares]
    return torch.stack(norms).mean()


class Budget:
    """Watches the optimiser's steps: penalty before, sensitivities and cuts after. step: steps done
    so far.
    """

    def __init__(self, config: AdaLoRAConfig, layers: dict[str, AdaLoRALayer]) -> None:
        self.config, self.layers, self.step = config, layers, 0
        next(iter(layers.values())).budget = self
        _watch(self)

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        # a deep copy watches its own parameters
        _watch(self)

    def finish(self) -> None:
        """No cuts any more: what is 0 now stays 0 (after loading)."""
        self.step = self.config.total_steps
        for layer in self.layers.values():
            layer.kept = layer.values != 0

    def rank_pattern(self) -> dict[str, int]:
        """How many triplets each matrix has left."""
        return {name: int((layer.values != 0).sum()) for name, layer in self.layers.items()}

    def moves(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether this optimiser is the one that trains the triplets."""
        mine = next(iter(self.layers.values())).values
        return mine.grad is not None and any(
            mine is p for group in optimizer.param_groups for p in group["params"]
        )

    def before(self) -> None:
        """Add the penalty's gradient."""
        if not self.config.orthogonality:
            return
        with torch.enable_grad():
            parameters = [p for layer in self.layers.values() for p in (layer.P, layer.Q)]
            gradients = torch.autograd.grad(
                self.config.orthogonality * penalty(self.layers), parameters
            )
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)

    @torch.no_grad()
    def after(self) -> None:
        """Note the sensitivities and, when it is time, cut."""
        self.step += 1
        config, last = self.config, self.config.total_steps - self.config.end
        if self.step < last:
            self._note()
        due = config.begin < self.step < last and self.step % config.every == 0
        if due or self.step == last:
            self._cut(budget(config, len(self.layers), self.step))
        elif self.step > last:
            for layer in self.layers.values():
                layer.values.masked_fill_(~layer.kept, 0)

    def _note(self) -> None:
        b1, b2 = self.config.beta1, self.config.beta2
        for layer in self.layers.values():
            for part in PARTS:
                w = getattr(layer, part)
                if w.grad is None:
                    continue
                sensitivity = (w * w.grad).abs()
                smooth = b1 * getattr(layer, f"smooth_{part}") + (1 - b1) * sensitivity
                away = (sensitivity - smooth).abs()
                unsteady = b2 * getattr(layer, f"unsteady_{part}") + (1 - b2) * away
                setattr(layer, f"smooth_{part}", smooth)
                setattr(layer, f"unsteady_{part}", unsteady)

    def scores(self) -> dict[str, Float[Tensor, " r"]]:
        """The importance of each triplet."""

        def of(layer: AdaLoRALayer, part: str) -> Tensor:
            return getattr(layer, f"smooth_{part}") * getattr(layer, f"unsteady_{part}")

        return {
            name: of(layer, "values") + of(layer, "P").mean(0) + of(layer, "Q").mean(1)
            for name, layer in self.layers.items()
        }

    def _cut(self, left: int) -> None:
        scores = self.scores()
        everything = torch.cat(list(scores.values()))
        if (cut := len(everything) - left) < 1:
            return
        threshold = everything.kthvalue(cut).values
        for name, layer in self.layers.items():
            layer.kept = scores[name] > threshold
            layer.values.masked_fill_(~layer.kept, 0)


_WATCHING: weakref.WeakSet[Budget] = weakref.WeakSet()
_HOOKS: list[RemovableHandle] = []


def _watch(watcher: Budget) -> None:
    """Let a budget see every step of every optimiser; PyTorch is asked for it by the first one."""
    _WATCHING.add(watcher)
    if not _HOOKS:
        _HOOKS.append(register_optimizer_step_pre_hook(_before_step))
        _HOOKS.append(register_optimizer_step_post_hook(_after_step))


def _before_step(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
    for watching in list(_WATCHING):
        if watching.moves(optimizer):
            watching.before()


def _after_step(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
    for watching in list(_WATCHING):
        if watching.moves(optimizer):
            watching.after()
