"""How the weights move: groups with and without decay, and three optimisers.

    AdamW   m = b1 m + (1 - b1) g;  s = b2 s + (1 - b2) g^2;  step = m^ / (sqrt(s^) + eps)
    Muon    m = mu m + (1 - mu) g;  step = 0.2 sqrt(max(rows, columns)) orthogonal(m)
    SGD     m = mu m + g;           step = g + mu m

    theta <- theta - lr (step + weight_decay theta)           (SGD: the decay is added to g)

Written out one by one in ``by_hand``; here are those that ``train`` uses.

Weight decay shrinks matrices only. A bias or a norm's scale has few numbers, no scale freedom to
tame, and a natural value that is not 0.

Sources: Loshchilov & Hutter 2019 (arXiv:1711.05101, decoupled decay), Jordan et al. 2024
(https://kellerjordan.github.io/posts/muon/), Liu et al. 2025 (arXiv:2502.16982, Muon's learning
rate).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .by_hand import newton_schulz


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Trainable parameters in two groups: matrices (embeddings too) with decay, vectors without.

    Raises ValueError if nothing is trainable.
    """
    return _groups([p for p in model.parameters() if p.requires_grad], weight_decay)


def _groups(trainable: list[nn.Parameter], weight_decay: float) -> list[dict]:
    if not trainable:
        raise ValueError("the model has no trainable parameter: every requires_grad is False")
    matrices = [p for p in trainable if p.ndim >= 2]
    vectors = [p for p in trainable if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def adamw(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.98),
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """PyTorch's AdamW with the groups above.

    The fused kernel updates all weights in one pass over memory.
    """
    return torch.optim.AdamW(
        parameter_groups(model, weight_decay), lr=lr, betas=betas, eps=eps, fused=True
    )


def sgd(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.98),
    eps: float = 1e-8,
) -> torch.optim.SGD:
    """PyTorch's SGD with the groups above and Nesterov momentum ``betas[0]`` (0: none).

    ``eps`` has no part in it.
    """
    return torch.optim.SGD(
        parameter_groups(model, weight_decay), lr=lr, momentum=betas[0], nesterov=betas[0] > 0
    )


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """Trainable weights of the linear layers between hidden vectors.

    All but those below a child named ``head``.
    """
    return [
        layer.weight
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
        and layer.weight.requires_grad
        and "head" not in name.split(".")
    ]


def muon(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.98),
    eps: float = 1e-8,
    momentum: float = 0.95,
) -> Muon:
    """Muon for the hidden matrices, AdamW (``betas``, ``eps``) for embeddings, heads and vectors.

    One learning rate serves both: Muon's step is scaled to the root mean square of AdamW's.
    Raises ValueError if nothing is trainable.
    """
    hidden = hidden_matrices(model)
    inside = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in inside]
    groups = [dict(params=hidden, weight_decay=weight_decay, orthogonal=True)] if hidden else []
    if rest or not hidden:
        groups += _groups(rest, weight_decay)
    return Muon(groups, lr=lr, betas=betas, eps=eps, momentum=momentum)


class Muon(torch.optim.Optimizer):
    """Groups with ``orthogonal=True`` take Muon's step, the others AdamW's, in one object.

    Muon is ``torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`` (torch from 2.9): an orthogonal
    n x m matrix has root mean square 1 / sqrt(max(n, m)), so 0.2 sqrt(max(n, m)) brings it to 0.2,
    about AdamW's. The iteration runs in bfloat16 on a GPU and in the weights' own type on a CPU.

    Raises ValueError if an orthogonal group holds something that is not a matrix.
    """

    def __init__(
        self,
        groups: list[dict],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        options = dict(
            betas=betas, eps=eps, momentum=momentum, weight_decay=weight_decay, orthogonal=False
        )
        super().__init__(groups, {"lr": lr, **options})
        for group in self.param_groups:
            for p in group["params"]:
                if group["orthogonal"] and p.ndim != 2:
                    raise ValueError(
                        f"only matrices can be made orthogonal, got shape {tuple(p.shape)}"
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], torch.Tensor] | None = None) -> torch.Tensor | None:
        """Move all weights that have a gradient.

        ``closure``, if given, is called first and its loss returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            move = self._orthogonal_step if group["orthogonal"] else self._adam_step
            for p in group["params"]:
                if p.grad is not None:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    move(p, p.grad, self.state[p], group)
        return loss

    @staticmethod
    def _orthogonal_step(p: torch.Tensor, g: torch.Tensor, state: dict, group: dict) -> None:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(g)
        m = state["momentum_buffer"].lerp_(g, 1 - group["momentum"])
        ahead = g.lerp(m, group["momentum"])
        direction = newton_schulz(ahead.bfloat16() if ahead.is_cuda else ahead).to(p.dtype)
        p.add_(direction, alpha=-group["lr"] * 0.2 * math.sqrt(max(p.shape)))

    @staticmethod
    def _adam_step(p: torch.Tensor, g: torch.Tensor, state: dict, group: dict) -> None:
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(g), exp_avg_sq=torch.zeros_like(g))
        state["step"] += 1
        b1, b2 = group["betas"]
        state["exp_avg"].lerp_(g, 1 - b1)
        state["exp_avg_sq"].mul_(b2).addcmul_(g, g, value=1 - b2)
        root = (state["exp_avg_sq"] / (1 - b2 ** state["step"])).sqrt_().add_(group["eps"])
        p.addcdiv_(state["exp_avg"], root, value=-group["lr"] / (1 - b1 ** state["step"]))


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": adamw,
    "muon": muon,
    "sgd": sgd,
}
