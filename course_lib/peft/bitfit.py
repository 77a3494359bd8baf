"""BitFit: train the biases and nothing else.

    y = W x + (b + db)          for every bias of the base: linear layers and norms

The adapter holds biases of its own, which start as copies and stand in the place of the base's. So
the base keeps its own, and several adapters can take turns.

Cost: 0.1 % of BERT's parameters; no operation more than the base; the gradient still travels to the
lowest bias.

Source: Ben Zaken et al. 2022 (arXiv:2106.10199).

>>> model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
>>> plan = BitFitConfig().build(model, None, torch.Generator())
>>> [swap.path for swap in plan.swaps]
['0.bias', '1.bias']
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from .method import Config, Plan
from .site import Swap
from .targets import named_modules


@dataclass(frozen=True)
class BitFitConfig(Config):
    """only: a regular expression that the names of the biases must contain; empty takes all of
    them.

    Raises ValueError, when attached, if there is no such bias.
    """

    kind: ClassVar[str] = "bitfit"
    only: str = ""

    def build(self, model: nn.Module, skip: str | None, generator: torch.Generator) -> Plan:
        """One swap a bias."""
        swaps, seen = [], set()
        for name, module in [("", model), *named_modules(model, skip)]:
            bias = module._parameters.get("bias")
            path = f"{name}.bias".lstrip(".")
            if bias is not None and re.search(self.only, path) and id(bias) not in seen:
                seen.add(id(bias))
                own = nn.Parameter(bias.detach().clone())
                swaps.append(Swap(module, "bias", path, bias, own))
        if not swaps:
            which = (
                f"whose name contains {self.only!r}"
                if self.only
                else "at all (EncoderConfig.modern has none)"
            )
            raise ValueError(
                f"BitFit trains biases, but the model has none {which}: take LoRA, for instance"
            )
        return Plan(swaps=swaps)
