"""LoRA: the update of a weight matrix as a product of two thin ones.

    y = W x + b + s B A x          W (out, in) frozen,  A (r, in),  B (out, r),  s = alpha / r

         in                            A starts as noise, B as zero: at first nothing changes.
         |----------------.            Only A and B are trained.
       W |             A  |  (r)
         |                |            rank-stabilised (Kalajdzievski 2023): s = alpha / sqrt(r),
         |             B  |            so that the size of the update does not fall with r.
         +------- s ------'
        out

How it is computed here. Without dropout, s B A is added to W and one product is made of both: (W +
s B A) x. Forward this is as fast as the plain layer; backward, dx is one product as well, and with
u = B^T dy and v = A x (both r wide)

    dx = (W + s B A)^T dy,    dA = s u x^T,    dB = s dy v^T.

The gradient of the whole matrix W is never formed. With few tokens, or dropout on the low-rank way,
the two ways are computed one beside the other.

Cost: r (in + out) parameters a matrix; 2 N operations a token less than full fine-tuning (of 6 N).
Merged: none. Memory: AdamW's two moments for A and B alone; but the one product keeps W + s B A of
each adapted matrix from forward to backward, as much again as these matrices weigh (51 MB of them,
256 tokens: 90 MB at the peak, where two products need 40). With dropout, few tokens, or a base in
bf16, two products are made.

Sources: Hu et al. 2021 (arXiv:2106.09685, section 4.1), Kalajdzievski 2023 (arXiv:2312.03732).

>>> LoRAConfig(rank=4, alpha=8).scale, LoRAConfig(rank=4, alpha=8, rank_stabilised=True).scale
(2.0, 4.0)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from course_lib.encoder.dropout import dropout as apply_dropout

from .fused import check_own_forward
from .method import Config, Plan, at_least, check_dropout, check_rank, trained_dtype
from .site import Layer, plain
from .targets import (
    QUERY,
    VALUE,
    as_matrix,
    as_weight,
    bias_of,
    find_modules,
    is_linear,
    sizes,
    weight_of,
)


@dataclass(frozen=True)
class LoRAConfig(Config):
    """rank: r.  alpha: the update is multiplied by alpha / r, or alpha / sqrt(r) if
    ``rank_stabilised``.
    dropout: on what enters A.  targets: ends of the names of linear layers (see ``targets``).

    Raises ValueError or TypeError naming the field that can't be.
    """

    kind: ClassVar[str] = "lora"
    rank: int = 8
    alpha: float = 16.0
    rank_stabilised: bool = False
    dropout: float = 0.0
    targets: tuple[str, ...] = (QUERY, VALUE)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, rank=self.rank)
        check_dropout(self.dropout)

    @property
    def scale(self) -> float:
        """s of the formula."""
        return self.alpha / (math.sqrt(self.rank) if self.rank_stabilised else self.rank)

    def build(self, model: nn.Module, skip: Sequence[str], generator: torch.Generator) -> Plan:
        """A pair A, B for each target."""
        modules = find_modules(model, self.targets, is_linear, skip=skip)
        check_own_forward(model, list(modules))
        check_rank(self.rank, modules)
        return Plan({name: LoRALayer(m, self, generator) for name, m in modules.items()})


class LoRALayer(Layer):
    """A and B for one linear layer."""

    def __init__(self, base: nn.Module, config: LoRAConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.scale, self.dropout = config.scale, config.dropout
        n_out, n_in = sizes(base)
        bound = n_in**-0.5  # as a linear layer of PyTorch starts
        start = torch.empty(config.rank, n_in).uniform_(-bound, bound, generator=generator)
        device, dtype = weight_of(base).device, trained_dtype(weight_of(base))
        self.A = nn.Parameter(start.to(device, dtype))
        self.B = nn.Parameter(torch.zeros(n_out, config.rank, device=device, dtype=dtype))

    def forward(self, base: nn.Module, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        """W x + b + s B A x."""
        dropout = self.dropout if self.training else 0.0
        return low_rank(base, x, self.A, self.B, self.scale, dropout)

    def merged(self, base: nn.Module) -> dict[str, Tensor]:
        """W + s B A, rounded once where the base has a lower precision than the adapter."""
        return {"weight": plus(base, self.B, self.A, self.scale)}


def plus(base: nn.Module, b: Tensor, a: Tensor, scale: float) -> Tensor:
    """W + scale * b a, as the layer's weight.

    Raises ValueError for a layer whose numbers are packed.
    """
    matrix = as_matrix(base)
    if matrix is None:
        raise ValueError(
            f"{type(base).__name__} holds a quantised weight, to which nothing can be added: keep "
            "the adapter attached"
        )
    return as_weight(base, torch.addmm(matrix.to(a.dtype), b, a, alpha=scale))


def low_rank(
    base: nn.Module,
    x: Float[Tensor, "... i"],
    a: Float[Tensor, "r i"],
    b: Float[Tensor, "o r"],
    scale: float,
    dropout: float = 0.0,
) -> Float[Tensor, "... o"]:
    """The frozen layer plus scale * b a x: as one product where that is faster, else as two."""
    few = x.numel() < x.shape[-1] * min(b.shape[0], a.shape[1]) // 2
    weight = as_matrix(base)
    # a small update would be lost in a weight of lower precision
    mixed = weight is None or weight.dtype != a.dtype
    if weight is None or mixed or few or dropout or weight.requires_grad:
        beside = scale * F.linear(F.linear(apply_dropout(x, dropout).to(a.dtype), a), b)
        out = plain(base, x)
        return out + beside.to(out.dtype)
    return _OneProduct.apply(x, weight, bias_of(base), a, b, scale)


class _OneProduct(torch.autograd.Function):
    """x (W + s b a)^T + bias, for a frozen W."""

    @staticmethod
    def forward(ctx, x, weight, bias, a, b, scale):
        """Under autocast the product, and nothing before it, is made in the lower precision."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        with torch.autocast(kind, enabled=False):
            whole = torch.addmm(weight, b, a, alpha=scale).to(dtype)  # (o, i)
            x = x.to(dtype)
            ctx.scale, ctx.dtypes = scale, (a.dtype, b.dtype)
            ctx.save_for_backward(x, whole, a.to(dtype), b.to(dtype))
            return F.linear(x, whole, None if bias is None else bias.to(dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        """See the top of the file."""
        x, whole, a, b = ctx.saved_tensors
        with torch.autocast(x.device.type, enabled=False):
            dx = dy @ whole if ctx.needs_input_grad[0] else None
            x, dy = x.flatten(0, -2), dy.flatten(0, -2)  # (n, i), (n, o)
            da = ctx.scale * ((dy @ b).T @ x).to(ctx.dtypes[0])
            db = ctx.scale * (dy.T @ (x @ a.T)).to(ctx.dtypes[1])
        return dx, None, None, da, db, None
