"""Another learning rate for each layer, whatever the optimiser: lower less, the new head more.

    lr of layer l = lr * decay^(L + 1 - l),   l = 0 for the embeddings, 1 .. L for the blocks,
                                              L + 1 for the rest

The lower a layer, the more general what it has learnt, and the less it should change (Howard and
Ruder 2018 divided by 2.6 from layer to layer; ELECTRA multiplies by 0.8 to 0.9). The head starts
from noise and has all its way to go: ``head_scale`` multiplies its rate.

How it is done: once the optimiser is made, each of its groups is cut by the multiplier of its
weights, which is kept in the group as ``lr_scale``. The loop sets a group's rate to lr * lr_scale.
Groups are part of the optimiser's saved state, and the multipliers follow from two numbers of
``TrainConfig``: a run is resumed with the same ones or not at all.

A layer is recognised by its name: ``blocks.3.`` here, ``layer.3.`` or ``layers.3.`` in
``transformers``.

Cost: a few more groups; no operation more.

Sources: Howard and Ruder 2018 (arXiv:1801.06146, section 3.2), Clark et al. 2020 (arXiv:2003.10555,
table 7).

>>> layer_of("encoder.blocks.3.attention.query.weight"), layer_of("bert.embeddings.LayerNorm.bias")
(4, 0)
>>> print(layer_of("head.output.bias"))
None
"""

from __future__ import annotations

import re

import torch
from torch import nn

BLOCK = re.compile(r"(?:^|\.)(?:blocks?|layers?|h)\.(\d+)\.")
EMBEDDING = re.compile(r"(?:^|\.)(?:embeddings?|wte|wpe)\.")


def layer_of(name: str) -> int | None:
    """The layer of the parameter ``name``: 0 for embeddings, i + 1 for block i, ``None`` above."""
    if found := BLOCK.search(name):
        return int(found[1]) + 1
    return 0 if EMBEDDING.search(name) else None


def n_layers(model: nn.Module) -> int:
    """How many blocks the model's parameters belong to.

    Raises ValueError if their names show none.
    """
    numbers = [
        layer for name, _ in model.named_parameters() if (layer := layer_of(name)) is not None
    ]
    if not any(numbers):
        raise ValueError(
            "no layers found: parameters must be named like 'blocks.0.', 'layer.0.' or "
            f"'layers.0.'; got for instance {next(iter(model.state_dict()), 'none')!r}"
        )
    return max(numbers)


def rate_scales(model: nn.Module, decay: float = 1.0, head_scale: float = 1.0) -> dict[str, float]:
    """The multiplier of each parameter's learning rate, by name.

    decay: from a layer to the one below it, in (0, 1].
    head_scale: for parameters below a child called ``head``.

    Raises ValueError for numbers outside, or a model without layers where ``decay`` is not 1.
    """
    if not 0 < decay <= 1 or not head_scale > 0:
        raise ValueError(
            f"layer_decay must be in (0, 1] and head_scale positive, got {decay} and {head_scale}"
        )
    top = 0 if decay == 1 else n_layers(model) + 1
    scales = {}
    for name, _ in model.named_parameters():
        layer = layer_of(name)
        scales[name] = 1.0 if layer is None else decay ** max(0, top - layer)
        if "head" in name.split("."):
            scales[name] = head_scale
    return scales


def scale_rates(
    optimizer: torch.optim.Optimizer, model: nn.Module, scales: dict[str, float]
) -> None:
    """Cut the optimiser's groups by multiplier and note it in each as ``lr_scale``.

    Call it before the first step.
    """
    of = {id(p): scales[name] for name, p in model.named_parameters()}
    groups = []
    for group in optimizer.param_groups:
        for scale in sorted({of[id(p)] for p in group["params"]}):
            chosen = [p for p in group["params"] if of[id(p)] == scale]
            groups.append({**group, "params": chosen, "lr_scale": scale})
    optimizer.param_groups[:] = groups
