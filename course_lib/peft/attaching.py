"""Put an adapter on a model, train it, save it, take it off, whatever the method and the model.

    handle = attach(model, LoRAConfig(rank=8))   the base is frozen; adapter and head are trainable
    ... train the model ...
    handle.save("task.safetensors")              the adapter's weights alone
    handle.merge();  handle.unmerge()            into the base's weights and back, bit for bit
    handle.detach()                              the model as it was, bit for bit

Several adapters may be attached under different names; one of them, or none, is active:
``handle.activate()``. Each has a head of its own, a copy of the model's, or another one with other
classes, which comes and goes with it.

Nothing is computed backward below the lowest adapter: no weight of the base asks for a gradient, so
PyTorch records nothing there.

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

from .adalora import AdaLoRAConfig
from .bitfit import BitFitConfig
from .bottleneck import BottleneckConfig
from .dora import DoRAConfig
from .handle import Handle
from .heads import head_names, head_swaps
from .interchange import fill, read_peft
from .lora import LoRAConfig
from .method import Config
from .prefix import PrefixConfig
from .prompt import PromptConfig
from .registry import REGISTRY, Registry, check_alone, check_none_merged, deactivate, freeze
from .storage import AdapterError, read

METHODS = (
    AdaLoRAConfig,
    BitFitConfig,
    BottleneckConfig,
    DoRAConfig,
    LoRAConfig,
    PrefixConfig,
    PromptConfig,
)
CONFIGS: dict[str, type[Config]] = {config.kind: config for config in METHODS}
"""The methods' configurations by name."""


def attach(
    model: nn.Module,
    config: Config,
    *,
    name: str = "default",
    head: nn.Module | str | tuple[str, ...] | None = "auto",
    generator: torch.Generator | None = None,
) -> Handle:
    """Put an adapter on ``model``, in place, freeze everything else, and make it the active one.

    head: what is trained whole and travels with the adapter: "auto" copies the model's head if it
        has one (see ``heads``); a name (or several) copies that child; a module stands in the
        place of the model's head, for instance with other classes; None leaves the head frozen.
    generator: of the first weights; ``None`` means seed 0.

    Raises ValueError if a name is taken, another adapter is merged, a part of the model or the
    whole of which it is a part has adapters already, or the method can't do it.
    """
    check_alone(model)
    registry = model.__dict__.setdefault(REGISTRY, Registry())
    before = registry.active
    try:
        _check_name(name, registry)
        check_none_merged(registry)
        deactivate(registry)
        names = head_names(model, head)
        plan = config.build(model, names, generator or torch.Generator().manual_seed(0))
        handle = Handle(model, config, name, plan, head_swaps(model, names, head))
        handle.insert()
    except ValueError:
        if not registry.handles:
            del model.__dict__[REGISTRY]
        elif before:
            registry.handles[before].activate()
        raise
    if not registry.handles:
        freeze(model, registry, {id(p) for p in handle.parameters()})
    registry.handles[name] = handle
    handle.activate()
    return handle


def load(
    model: nn.Module,
    path: str | os.PathLike,
    *,
    name: str = "default",
    head: nn.Module | str | None = "auto",
) -> Handle:
    """Attach the adapter that ``path`` holds, and make it the active one.

    head: as for ``attach``; the head must have the shapes of the one that was saved.

    Raises AdapterError if the file is missing or damaged or was made for another base; then nothing
    is attached.
    """
    stored = read(Path(path))
    if stored.method not in CONFIGS:
        raise AdapterError(
            f"{path} holds a {stored.method!r} adapter; this version knows {sorted(CONFIGS)}"
        )
    handle = attach(model, CONFIGS[stored.method].from_values(stored.values), name=name, head=head)
    try:
        handle.take(stored)
    except AdapterError:
        handle.detach()
        raise
    return handle


def load_peft(model: nn.Module, folder: str | os.PathLike, *, name: str = "default") -> Handle:
    """Attach an adapter that the library ``peft``, or ``Handle.save_peft``, has written to
    ``folder``, with the head that is in it, and make it the active one.

    Raises AdapterError if a file is missing or damaged, does not fit the model, or holds what this
    package does not have; then nothing is attached.
    """
    folder = Path(folder)
    config, heads, tensors = read_peft(folder, model)
    handle = attach(model, config, name=name, head=heads)
    try:
        fill(folder, config, handle.layers, handle.head_swaps(), tensors)
    except AdapterError:
        handle.detach()
        raise
    if handle.watcher is not None:
        handle.watcher.finish()
    return handle


def _check_name(name: str, registry: Registry) -> None:
    if name in registry.handles:
        raise ValueError(
            f"an adapter {name!r} is attached already: detach it first, or give another name"
        )
    if not name or "." in name:
        raise ValueError(f"name must be a word without dots, got {name!r}")
