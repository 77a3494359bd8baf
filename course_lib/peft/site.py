"""Where an adapter sits: a module keeps its name and its weights; its ``forward`` is redirected.

    before   query.forward(x)                 W x + b
    after    query.forward = layer(query, x)  what the adapter makes of it

The layer stands below the module (``query.adapters.NAME``), so the model's ``parameters()``,
``to(device)``, ``train()``, ``state_dict()`` and ``copy.deepcopy`` reach it, and no name of the
base changes. Taking the redirection away is deleting one attribute; the base has never been
touched, so it comes back bit for bit.

A ``Swap`` is the other way to adapt: one parameter (a bias) or one module (a head) of the base is
put aside and the adapter's own stands in its place.

Cost: one Python call for each redirected module, a few microseconds.

>>> import torch
>>> class Doubled(Layer):
...     def forward(self, base, x):
...         return 2 * plain(base, x)
>>> linear = nn.Linear(2, 2)
>>> insert(linear, "twice", Doubled()); enable(linear, "twice")
>>> bool((linear(torch.ones(2)) == 2 * plain(linear, torch.ones(2))).all())
True
>>> remove(linear, "twice"); sorted(dict(linear.named_parameters()))
['bias', 'weight']
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

SLOT = "adapters"


class Layer(nn.Module):
    """What one adapter does at one module of the base; ``forward(base, *args, **kwargs)`` stands in
    for the module's.

    not_merged_because: empty where ``merged`` can put the adapter into the base's weights.
    """

    not_merged_because = ""

    def forward(self, base: nn.Module, *args: object, **kwargs: object) -> object:
        """The adapted module's output."""
        raise NotImplementedError

    def merged(self, base: nn.Module) -> dict[str, Tensor]:
        """New values of the base's parameters, by name, with which the plain module does what the
        adapted one does.
        """
        raise NotImplementedError


@dataclass
class Swap:
    """Two things for one place:

    ``owner``'s parameter or child ``name``, the base's and the adapter's own.
    """

    owner: nn.Module
    name: str
    path: str
    base: nn.Parameter | nn.Module
    own: nn.Parameter | nn.Module

    def put(self, own: bool) -> None:
        """Set the adapter's or the base's in its place."""
        table = self.owner._modules if isinstance(self.base, nn.Module) else self.owner._parameters
        table[self.name] = self.own if own else self.base

    def own_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Names (in the whole model) and parameters of the adapter's own."""
        if isinstance(self.own, nn.Module):
            return [(f"{self.path}.{name}", p) for name, p in self.own.named_parameters()]
        return [(self.path, self.own)]


def plain(base: nn.Module, *args: object, **kwargs: object) -> object:
    """What the module computes without any adapter."""
    return type(base).forward(base, *args, **kwargs)


def insert(module: nn.Module, name: str, layer: Layer) -> None:
    """Put ``layer`` below ``module``, not yet in use.

    Raises ValueError if something else has replaced its ``forward``.
    """
    if SLOT not in module._modules:
        if "forward" in vars(module) or hasattr(module, SLOT):
            raise ValueError(
                f"another library has changed this {type(module).__name__} (its forward, or an "
                f"attribute {SLOT!r}): attach the adapter to the model before it does"
            )
        module.add_module(SLOT, nn.ModuleDict())
    module._modules[SLOT][name] = layer


def enable(module: nn.Module, name: str) -> None:
    """From now on ``module`` computes what its layer ``name`` says."""
    module.forward = partial(module._modules[SLOT][name], module)


def disable(module: nn.Module) -> None:
    """From now on ``module`` computes what it did before."""
    vars(module).pop("forward", None)


def remove(module: nn.Module, name: str) -> None:
    """Take the layer ``name`` out; with the last one every trace of adapters is gone."""
    disable(module)
    del module._modules[SLOT][name]
    if not module._modules[SLOT]:
        del module._modules[SLOT]
