"""Put an adapter on a model, train it, save it, take it off: one interface for every method and every ``nn.Module``.

    handle = attach(model, LoRAConfig(rank=8))     the base is frozen; the adapter and its head are trainable
    ... train the model ...
    handle.save("task.safetensors")                the adapter's weights alone
    handle.merge();  handle.unmerge()              into the base's weights and back, bit for bit
    handle.detach()                                the model as it was, bit for bit

Several adapters may be attached under different names; one of them, or none, is active: ``handle.activate()``. Each has a head
of its own, a copy of the model's, or another one with other classes, which comes and goes with it.

Nothing is computed backward below the lowest adapter: no weight of the base asks for a gradient, so PyTorch records nothing
there.

>>> model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
>>> from course_lib.peft import LoRAConfig
>>> handle = attach(model, LoRAConfig(rank=2, targets=("0", "2")))
>>> sum(p.numel() for p in handle.parameters())
28
>>> handle.detach(); [name for name, _ in model.named_parameters()]
['0.weight', '0.bias', '2.weight', '2.bias']
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

from .handle import Handle
from .method import Config
from .registry import REGISTRY, Registry, check_none_merged, deactivate
from .storage import AdapterError, read

HEADS = ("head", "classifier", "score", "qa_outputs")


def attach(
    model: nn.Module,
    config: Config,
    *,
    name: str = "default",
    head: nn.Module | str | None = "auto",
    generator: torch.Generator | None = None,
) -> Handle:
    """Put an adapter on ``model``, in place, freeze everything else, and make it the active one.

    name: must not be taken.
    head: what is trained whole and travels with the adapter: "auto" copies the model's child ``head`` (or ``classifier``,
        ``score``, ``qa_outputs``) if there is one; another name copies that child; a module stands in the model's head's
        place, for instance with other classes; None leaves the head frozen.
    generator: of the first weights; ``None`` means seed 0.

    Raises ValueError for a name that is taken, a merged adapter on the model, and what the configuration can't do here.
    """
    registry = model.__dict__.setdefault(REGISTRY, Registry())
    try:
        if name in registry.handles:
            raise ValueError(
                f"an adapter {name!r} is attached already: detach it first, or give another name"
            )
        if not name or "." in name:
            raise ValueError(f"name must be a word without dots, got {name!r}")
        check_none_merged(registry)
        deactivate(registry)
        generator = generator or torch.Generator().manual_seed(0)
        path = _head_name(model, head)
        plan = config.build(model, path, generator)
        handle = Handle(model, config, name, plan, path, head if isinstance(head, nn.Module) else None)
    except ValueError:
        if not registry.handles:
            del model.__dict__[REGISTRY]
        elif registry.active:
            registry.handles[registry.active]._enter()
        raise
    if not registry.handles:
        registry.flags = [(p, p.requires_grad) for p in model.parameters()]
        model.requires_grad_(False)
    handle._insert()
    registry.handles[name] = handle
    handle.activate()
    return handle


def load(
    model: nn.Module, path: str | os.PathLike, *, name: str = "default", head: nn.Module | str | None = "auto"
) -> Handle:
    """Attach the adapter that ``path`` holds, and make it the active one.

    head: as for ``attach``; the head must have the shapes of the one that was saved.

    Raises AdapterError if the file is missing or damaged or was made for another base; then nothing is attached.
    """
    from . import CONFIGS

    stored = read(Path(path))
    if stored.method not in CONFIGS:
        raise AdapterError(f"{path} holds a {stored.method!r} adapter; this version knows {sorted(CONFIGS)}")
    handle = attach(model, CONFIGS[stored.method].from_values(stored.values), name=name, head=head)
    try:
        handle._take(stored)
    except AdapterError:
        handle.detach()
        raise
    return handle


def _head_name(model: nn.Module, head: nn.Module | str | None) -> str | None:
    if head is None:
        return None
    children = [name for name in HEADS if isinstance(getattr(model, name, None), nn.Module)]
    if head == "auto":
        return children[0] if children else None
    if isinstance(head, str):
        if not any(name == head for name, _ in model.named_modules() if name):
            raise ValueError(
                f"head: the model has no child {head!r}; it has {[n for n, _ in model.named_children()]}"
            )
        return head
    if not children:
        raise ValueError(f"head: the model has no head to replace (a child named {', '.join(HEADS)})")
    return children[0]
