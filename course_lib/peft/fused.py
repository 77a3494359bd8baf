"""Fused fast paths: where PyTorch computes a whole layer in one kernel and calls no submodule.

    nn.TransformerEncoderLayer in eval()    one kernel reads linear1.weight, linear2.weight, ...
    nn.TransformerEncoder with padding      turns its input into a nested tensor for that kernel

An adapter inside would train and then be passed over without a word when the model is evaluated
(pytorch/pytorch#128413). So while one is active, the enclosing layers take the ordinary path.
``nn.MultiheadAttention`` calls none of its projections on any path: targets in it are refused.

Cost: what the fused kernel saved, while an adapter is active; merged or detached, it is back.

>>> layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
>>> for hook in keep_ordinary(layer, ["linear1"]): hook.remove()
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

FUSED = (nn.TransformerEncoderLayer, nn.TransformerEncoder)


def keep_ordinary(model: nn.Module, paths: Iterable[str]) -> list[RemovableHandle]:
    """Hooks that keep every fused layer around the modules ``paths`` on its ordinary path."""
    around = {".".join(p.split(".")[:n]) for p in paths for n in range(p.count(".") + 2)}
    hooks = []
    for name in sorted(around):
        module = model.get_submodule(name)
        if isinstance(module, FUSED):
            switch = _Switch()
            hooks.append(module.register_forward_pre_hook(switch.off))
            hooks.append(module.register_forward_hook(switch.back, always_call=True))
    return hooks


class _Switch:
    """Turns PyTorch's flag off while a module runs, and back to what it was."""

    def __init__(self) -> None:
        self.before: list[bool] = []

    def off(self, *_: object) -> None:
        self.before.append(torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)

    def back(self, *_: object) -> None:
        torch.backends.mha.set_fastpath_enabled(self.before.pop())


def check_own_forward(model: nn.Module, names: Sequence[str]) -> None:
    """Raise ValueError for a target whose parent uses its weights without calling it
    (``nn.MultiheadAttention``).
    """
    for name in names:
        parent = model.get_submodule(name.rpartition(".")[0])
        never_called = isinstance(parent, nn.MultiheadAttention)
        if never_called:
            raise ValueError(
                f"{name} belongs to nn.MultiheadAttention, which never calls it: an adapter there "
                "would do nothing. Use an attention with layers of its own (course_lib.encoder, "
                "transformers)"
            )
