"""What every method gives: a configuration that checks itself and knows how to build its layers.

>>> from course_lib.peft import LoRAConfig
>>> LoRAConfig.from_values(LoRAConfig(rank=4).values()).rank
4
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from course_lib.settings import Settings

from .site import Layer, Swap


@dataclass
class Plan:
    """What is to be put into a model. layers: by the name of the module they go to.

    watcher: an object that lives as long as the adapter (AdaLoRA's budget).
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    swaps: list[Swap] = field(default_factory=list)
    watcher: object | None = None


@dataclass(frozen=True)
class Config(Settings):
    """The parent of the methods' configurations. kind: the method's name in saved files."""

    kind: ClassVar[str] = ""

    def build(self, model: nn.Module, skip: str | None, generator: torch.Generator) -> Plan:
        """The new layers for ``model``; nothing is changed in it. skip: the head's name."""
        raise NotImplementedError


def check_rank(rank: int, modules: dict[str, nn.Linear]) -> None:
    """Raise ValueError for a rank above the smaller side of a target's matrix."""
    for name, module in modules.items():
        most = min(module.in_features, module.out_features)
        if rank > most:
            raise ValueError(
                f"rank {rank} is above the size of {name} ({module.out_features} x "
                f"{module.in_features}): no matrix of that shape has a rank above {most}"
            )


def at_least(least: float, **values: float) -> None:
    """Raise ValueError naming the first value that is below ``least``."""
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")


def check_dropout(dropout: float) -> None:
    """Raise ValueError unless it is in [0, 1)."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")
