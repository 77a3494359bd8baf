"""Bottleneck adapters: small two-layer networks put between the layers of the frozen model.

    adapter(h) = U f(D h + d) + u         D (m, d_model),  U (d_model, m),  m = d_model / reduction

    Houlsby    h <- h + adapter(h)               on what attention and feed-forward give, before it
                                                 is added to the stream
    Pfeiffer   LN(s) <- LN(s + adapter(LN(s)))   once a block, at the norm after the feed-forward
                                                 part (s: its input)

Both start close to doing nothing: U and D are drawn with standard deviation 0.01, cut at two of it.
Where a block normalises before its layers, there is no norm after the feed-forward part;
``BottleneckConfig(targets=(OUTPUT,))`` then puts one adapter a block on the feed-forward output.

Cost: 2 m d_model + m + d_model parameters a place. f is not linear, so nothing can be merged: each
place costs two more products, one after the other, at every use. Memory: h and f's input, d_model +
2 m numbers a token and place, are kept for the backward pass.

Sources: Houlsby et al. 2019 (arXiv:1902.00751, section 2.1), Pfeiffer et al. 2021
(arXiv:2005.00247, and the places that their library ``adapters`` takes).

>>> BottleneckConfig.houlsby().targets == (ATTENTION_OUTPUT, OUTPUT)
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .fused import check_own_forward
from .method import Config, Plan, at_least, trained_dtype
from .site import Layer, plain
from .targets import (
    ATTENTION_OUTPUT,
    FEED_FORWARD_NORM,
    OUTPUT,
    find_modules,
    is_linear,
    sizes,
    weight_of,
)

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "swish": F.silu}


@dataclass(frozen=True)
class BottleneckConfig(Config):
    """The two forms of a bottleneck.

    reduction: d_model / m, rounded down to at least m = 1.  activation: f.
    targets: linear layers (Houlsby's formula) or layer norms (Pfeiffer's).

    Raises ValueError or TypeError naming the field that can't be.
    """

    kind: ClassVar[str] = "bottleneck"
    reduction: int = 16
    activation: str = "relu"
    targets: tuple[str, ...] = (ATTENTION_OUTPUT, OUTPUT)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, reduction=self.reduction)
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {sorted(ACTIVATIONS)}, got {self.activation!r}"
            )

    @classmethod
    def houlsby(cls, reduction: int = 16, activation: str = "swish") -> BottleneckConfig:
        """After attention and after the feed-forward part, two a block."""
        return cls(reduction, activation, (ATTENTION_OUTPUT, OUTPUT))

    @classmethod
    def pfeiffer(cls, reduction: int = 16, activation: str = "relu") -> BottleneckConfig:
        """At the norm after the feed-forward part, one a block; for blocks that normalise after the
        addition.
        """
        return cls(reduction, activation, (FEED_FORWARD_NORM,))

    def build(self, model: nn.Module, skip: Sequence[str], generator: torch.Generator) -> Plan:
        """One small network a target."""
        modules = find_modules(model, self.targets, nn.Module, skip=skip)
        layers: dict[str, Layer] = {}
        for name, module in modules.items():
            if _is_layer_norm(module):
                if getattr(model.get_submodule(name.rpartition(".")[0]), "pre", False):
                    raise ValueError(
                        f"{name} normalises before its layer; Pfeiffer's adapter needs the norm "
                        "after it. Take BottleneckConfig(targets=(OUTPUT,))"
                    )
                weight = weight_of(module)
                layers[name] = NormBottleneck(weight.shape[-1], weight, self, generator)
            elif is_linear(module):
                layers[name] = Bottleneck(sizes(module)[0], weight_of(module), self, generator)
        if not layers:
            raise ValueError(
                f"targets: {self.targets} match no linear layer and no layer norm, but "
                f"{list(modules)[:3]} ..."
            )
        check_own_forward(model, list(layers))
        return Plan(layers)


def _is_layer_norm(module: nn.Module) -> bool:
    """PyTorch's, or one that a family of ``transformers`` wrote itself (DeBERTa)."""
    own = type(module).__name__.endswith("LayerNorm") and hasattr(module, "weight")
    return isinstance(module, nn.LayerNorm) or own


class Bottleneck(Layer):
    """Houlsby's: added to the output of a linear layer."""

    not_merged_because = (
        "a bottleneck adapter has a non-linear function inside: no weight of the base does the same"
    )

    def __init__(
        self, d: int, like: Tensor, config: BottleneckConfig, generator: torch.Generator
    ) -> None:
        super().__init__()
        m = max(1, d // config.reduction)
        self.activation = ACTIVATIONS[config.activation]
        self.down, self.up = nn.Linear(d, m), nn.Linear(m, d)
        for linear in (self.down, self.up):
            nn.init.trunc_normal_(linear.weight, std=0.01, a=-0.02, b=0.02, generator=generator)
            nn.init.zeros_(linear.bias)
        self.to(like.device, trained_dtype(like))

    def adapter(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """U f(D h + d) + u, in the adapter's own precision."""
        inner = self.activation(self.down(h.to(self.down.weight.dtype)))
        return self.up(inner).to(h.dtype)

    def forward(self, base: nn.Module, x: Float[Tensor, "... i"]) -> Float[Tensor, "... d"]:
        """h + adapter(h), h = W x + b."""
        h = plain(base, x)
        return h + self.adapter(h)


class NormBottleneck(Bottleneck):
    """Pfeiffer's: inside of the norm that closes a block."""

    def forward(self, base: nn.Module, s: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """LN(s + adapter(LN(s)))."""
        return plain(base, s + self.adapter(plain(base, s)))
