"""What every method gives: a configuration that checks itself and knows how to build its layers.

>>> from course_lib.peft import LoRAConfig
>>> LoRAConfig.from_values(LoRAConfig(rank=4).values()).rank
4
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from course_lib.settings import Settings

from .site import Layer, Swap
from .targets import sizes


class Watcher(Protocol):
    """What lives as long as the adapter: AdaLoRA's budget."""

    def finish(self) -> None:
        """Called when stored weights have been taken up: it has nothing to do any more."""
        ...


@dataclass
class Plan:
    """What is to be put into a model. layers: by the name of the module they go to.

    watcher: see there.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    swaps: list[Swap] = field(default_factory=list)
    watcher: Watcher | None = None


@dataclass(frozen=True)
class Config(Settings):
    """The parent of the methods' configurations. kind: the method's name in saved files."""

    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Check ``targets``: one pattern is the tuple of it. Raises ValueError for none."""
        targets = getattr(self, "targets", None)
        if isinstance(targets, str):
            object.__setattr__(self, "targets", (targets,))
        super().__post_init__()
        targets = getattr(self, "targets", None)
        if targets is not None and not (targets and all(targets)):
            raise ValueError(
                f"targets must be ends of names of modules, at least one, got {targets!r}: without "
                "a target the head alone would be trained (then freeze the rest, and take no "
                "adapter)"
            )

    def build(self, model: nn.Module, skip: Sequence[str], generator: torch.Generator) -> Plan:
        """The new layers for ``model``; nothing is changed in it. skip: the head's names."""
        raise NotImplementedError

    def now(self, layers: Mapping[str, Layer]) -> Config:
        """The configuration with which these layers, as they are now, would be made again."""
        return self


def check_rank(rank: int, modules: dict[str, nn.Module]) -> None:
    """Raise ValueError for a rank above the smaller side of a target's matrix."""
    for name, module in modules.items():
        most, shape = min(sizes(module)), " x ".join(map(str, sizes(module)))
        if rank > most:
            raise ValueError(
                f"rank {rank} is above the size of {name} ({shape}): no matrix of that shape has a "
                f"rank above {most}"
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


def trained_dtype(like: Tensor) -> torch.dtype:
    """The type of an adapter's parameters beside ``like``: its own, or float32 where it has less.

    In bf16, with 8 bits of precision, most steps of an optimiser would round to nothing.
    """
    return like.dtype if like.dtype in (torch.float32, torch.float64) else torch.float32
