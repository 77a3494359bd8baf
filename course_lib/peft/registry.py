"""What a model remembers of its adapters: their handles by name, and which of them is active.

It stands in the model's ``__dict__`` and not among its modules, so that the model's ``state_dict`` and parameters do not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from . import handle

REGISTRY = "_course_adapters"


@dataclass
class Registry:
    """What a model remembers. flags: which of the base's parameters were trainable before the first adapter came."""

    handles: dict[str, handle.Handle] = field(default_factory=dict)
    active: str | None = None
    flags: list[tuple[nn.Parameter, bool]] = field(default_factory=list)


def handles(model: nn.Module) -> dict[str, handle.Handle]:
    """The adapters of a model by name, in the order in which they came."""
    registry = model.__dict__.get(REGISTRY)
    return dict(registry.handles) if registry else {}


def active(model: nn.Module) -> str | None:
    """The name of the active adapter; ``None`` where the model is as it was."""
    registry = model.__dict__.get(REGISTRY)
    return registry.active if registry else None


def check_none_merged(registry: Registry) -> None:
    """Raises ValueError if an adapter of the model is merged into its weights, with the name of the first."""
    for name, handle in registry.handles.items():
        if handle.merged:
            raise ValueError(f"the adapter {name!r} is merged into the base: unmerge it first")


def deactivate(registry: Registry) -> None:
    """Takes the active adapter out of the forward pass; its parameters stop training. Nothing, where none is active."""
    if registry.active:
        registry.handles[registry.active]._leave()
