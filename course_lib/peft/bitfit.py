"""BitFit: train the biases and nothing else.

    y = W x + (b + db)          for every bias of the base: linear layers and norms

The adapter holds biases of its own, which start as copies and stand in the place of the base's. So
the base keeps its own, and several adapters can take turns. A bias that two modules share stays
shared. Only parameters named ``bias`` are taken, so not ``in_proj_bias`` of nn.MultiheadAttention.

Cost: 0.1 % of BERT's parameters; no operation more than the base; the gradient still travels to the
lowest bias. Memory: the biases twice (the base's wait), and the activations of every layer above
the lowest bias but not the inputs of the frozen matrices.

Source: Ben Zaken et al. 2022 (arXiv:2106.10199).

>>> model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
>>> plan = BitFitConfig().build(model, (), torch.Generator())
>>> [swap.path for swap in plan.swaps]
['0.bias', '1.bias']
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .method import Config, Plan, trained_dtype
from .site import Layer, Swap, plain
from .targets import named_modules


@dataclass(frozen=True)
class BitFitConfig(Config):
    """only: a regular expression that the names of the biases must contain; empty takes all of
    them.

    Raises ValueError, when attached, if there is no such bias.
    """

    kind: ClassVar[str] = "bitfit"
    only: str = ""

    def build(self, model: nn.Module, skip: Sequence[str], generator: torch.Generator) -> Plan:
        """One swap a bias."""
        swaps, own, layers = [], {}, {}
        for name, module in [("", model), *named_modules(model, skip)]:
            bias = module._parameters.get("bias")
            path = f"{name}.bias".lstrip(".")
            if bias is None or not re.search(self.only, path):
                continue
            # a bias that two modules share stays shared
            twin = id(bias) in own
            start = bias.detach().to(trained_dtype(bias), copy=True)
            mine = own.setdefault(id(bias), nn.Parameter(start))
            swaps.append(Swap(module, "bias", path, mine, twin))
            if mine.dtype != bias.dtype:
                layers[name] = RoundedBias(bias.dtype)
        if not swaps:
            which = (
                f"whose name contains {self.only!r}"
                if self.only
                else "at all (nor have EncoderConfig.modern, Llama, T5)"
            )
            raise ValueError(
                f"BitFit trains biases, but the model has none {which}: take LoRA, for instance"
            )
        return Plan(layers, swaps)


class RoundedBias(Layer):
    """On a base in bf16 or fp16: a float32 bias, which the module sees rounded to its own type."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, base: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """The module's output with the rounded bias."""
        # for the call a tensor stands there, which is no parameter
        parameters: dict[str, Any] = base._parameters
        own = base.get_parameter("bias")
        parameters["bias"] = own.to(self.dtype)
        try:
            return plain(base, *args, **kwargs)
        finally:
            parameters["bias"] = own

    def merged(self, base: nn.Module) -> dict[str, Tensor]:
        """The rounded bias."""
        return {"bias": base.get_parameter("bias").to(self.dtype)}
