"""What a model remembers of its adapters: their handles by name, and which of them is active.

It stands in the model's ``__dict__`` and not among its modules, so that the model's ``state_dict``
and parameters do not change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from torch import nn

from .site import ASIDE, SLOT
from .summary import Summary

REGISTRY = "_course_adapters"


class Adapter(Protocol):
    """What is known here of a handle: whether it is merged, what it trains, and how it leaves."""

    merged: bool

    def parameters(self) -> Iterator[nn.Parameter]:
        """See ``Handle``."""
        ...

    def summary(self) -> Summary:
        """See ``Handle``."""
        ...

    def activate(self) -> None:
        """See ``Handle``."""
        ...

    def enter(self) -> None:
        """See ``Handle``."""
        ...

    def leave(self) -> None:
        """See ``Handle``."""
        ...


@dataclass
class Registry:
    """What a model remembers.

    flags: which of the base's parameters were trainable before the first adapter came.
    """

    handles: dict[str, Adapter] = field(default_factory=dict)
    active: str | None = None
    flags: list[tuple[nn.Parameter, bool]] = field(default_factory=list)


def handles(model: nn.Module) -> dict[str, Adapter]:
    """The adapters of a model by name, in the order in which they came."""
    registry = model.__dict__.get(REGISTRY)
    return dict(registry.handles) if registry else {}


def active(model: nn.Module) -> str | None:
    """The name of the active adapter; ``None`` where the model is as it was."""
    registry = model.__dict__.get(REGISTRY)
    return registry.active if registry else None


def check_none_merged(registry: Registry) -> None:
    """Raises ValueError, with its name, if an adapter is merged into the model's weights."""
    for name, adapter in registry.handles.items():
        if adapter.merged:
            raise ValueError(f"the adapter {name!r} is merged into the base: unmerge it first")


def deactivate(registry: Registry) -> None:
    """Take the active adapter, if there is one, out of the forward pass."""
    if registry.active:
        registry.handles[registry.active].leave()


def freeze(model: nn.Module, registry: Registry, mine: set[int]) -> None:
    """Note what is trainable in the base, and let nothing be. mine: ids of the adapter's own."""
    registry.flags = [(p, p.requires_grad) for p in model.parameters() if id(p) not in mine]
    model.requires_grad_(False)


def check_alone(model: nn.Module) -> None:
    """Raises ValueError if adapters sit in ``model`` that were attached to a part of it, or to a
    whole of which it is a part: theirs and new ones would redirect the same modules.
    """
    mine = set(handles(model))
    for path, module in model.named_modules():
        if path and REGISTRY in module.__dict__:
            raise ValueError(
                f"the part {path!r} of the model has adapters of its own, "
                f"{sorted(handles(module))}: detach them, or attach to that part under another name"
            )
        for slot in (SLOT, ASIDE):
            below = module._modules.get(slot)
            foreign = set(below._modules) - mine if below is not None else ()
            if foreign:
                raise ValueError(
                    f"{path or type(model).__name__} has adapters {sorted(foreign)} of a larger "
                    "model of which this one is a part: detach them, or attach to the whole"
                )
