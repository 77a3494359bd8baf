"""DoRA: LoRA turns the rows of a matrix, and a trained vector says how long each of them is.

    V = W + s B A              W (out, in) frozen,  A (r, in),  B (out, r),  s as for LoRA
    y = m V x / |V| + b        m (out,), |V| (out,) the length of each row;  m starts as |W|

LoRA changes size and direction of a weight together; full fine-tuning does not, and DoRA can tell
them apart. (The paper writes the norm of a column, for weights that stand the other way round.)
While the gradient is computed, |V| counts as a constant (section 4.3): that saves memory, and as in
``peft`` it is this file's choice too. With g = m / |V|

    y = W x + b + (g - 1) W x + g s B A x,    dm = sum dy (V x) / |V|,    dV = g dy x^T.

Cost: LoRA's, and one number a row; at each use V has to be made for its norm, r + 1 operations for
each number of W, also for a single token. Memory: V for a moment (not for the backward pass), W x
and B A x for each token until then. Merged: none.

Source: Liu et al. 2024 (arXiv:2402.09353, equations 5, 6 and 11).

>>> DoRAConfig(rank=4, alpha=8).scale
2.0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.encoder.dropout import dropout as apply_dropout

from .fused import check_own_forward
from .lora import LoRAConfig, LoRALayer
from .method import Plan, check_rank
from .site import plain
from .targets import as_matrix, as_weight, bias_of, find_modules, is_linear


@dataclass(frozen=True)
class DoRAConfig(LoRAConfig):
    """The fields are LoRA's."""

    kind: ClassVar[str] = "dora"

    def build(self, model: nn.Module, skip: Sequence[str], generator: torch.Generator) -> Plan:
        """A, B and m for each target."""
        modules = find_modules(model, self.targets, is_linear, skip=skip)
        check_own_forward(model, list(modules))
        check_rank(self.rank, modules)
        if packed := [name for name, module in modules.items() if as_matrix(module) is None]:
            raise ValueError(
                f"{packed[0]} holds a quantised weight, whose rows DoRA can't measure: take LoRA"
            )
        return Plan({name: DoRALayer(m, self, generator) for name, m in modules.items()})


class DoRALayer(LoRALayer):
    """A, B and m for one linear layer."""

    def __init__(self, base: nn.Module, config: DoRAConfig, generator: torch.Generator) -> None:
        super().__init__(base, config, generator)
        self.magnitude = nn.Parameter(self._direction(base).norm(dim=1))

    def forward(self, base: nn.Module, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        """m V x / |V| + b."""
        dropout = self.dropout if self.training else 0.0
        dropped, out = apply_dropout(x, dropout).to(self.A.dtype), plain(base, x)
        if dropout:
            there = F.linear(dropped, self._matrix(base))
        else:
            there = out if (bias := bias_of(base)) is None else out - bias
        gain = self.magnitude / self._direction(base).norm(dim=1)
        beside = self.scale * F.linear(F.linear(dropped, self.A), self.B)
        return out + ((gain - 1) * there + gain * beside).to(out.dtype)

    def _matrix(self, base: nn.Module) -> Float[Tensor, "o i"]:
        """W, in the adapter's precision."""
        matrix = as_matrix(base)
        assert matrix is not None, "build refuses a quantised one"
        return matrix.to(self.A.dtype)

    @torch.no_grad()
    def _direction(self, base: nn.Module) -> Float[Tensor, "o i"]:
        """V."""
        return torch.addmm(self._matrix(base), self.B, self.A, alpha=self.scale)

    def merged(self, base: nn.Module) -> dict[str, Tensor]:
        """m V / |V|."""
        direction = self._direction(base)
        gain = self.magnitude / direction.norm(dim=1)
        return {"weight": as_weight(base, gain[:, None] * direction)}
