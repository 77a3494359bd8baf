"""Where an adapter sits: a module keeps its name and its weights; its ``forward`` is redirected.

    before   query.forward(x)                 W x + b
    after    query.forward = layer(query, x)  what the adapter makes of it

The layer stands below the module (``query.adapters.NAME``), so the model's ``parameters()``,
``to(device)``, ``train()``, ``state_dict()`` and ``copy.deepcopy`` reach it, and no name of the
base changes. Taking the redirection away is deleting one attribute; the base has never been
touched, so it comes back bit for bit.

A ``Swap`` is the other way to adapt: one parameter (a bias) or one module (a head) of the base
changes places with the adapter's own. What is not in its place waits below the same module
(``owner.adapters_aside.NAME``), so it moves and is cast with the model. In a ``state_dict`` the
base's names have the base's values always, the adapter's are beside them.

Cost: one Python call for each redirected module, a few microseconds; memory: the adapter's own
parameters, for a swap a second bias or head.

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

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

SLOT = "adapters"
ASIDE = "adapters_aside"


class Layer(nn.Module):
    """What one adapter does at one module of the base; ``forward(base, *args, **kwargs)`` stands in
    for the module's.

    not_merged_because: empty where ``merged`` can put the adapter into the base's weights.
    """

    not_merged_because = ""

    def forward(self, base: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """The adapted module's output."""
        raise NotImplementedError

    def merged(self, base: nn.Module) -> dict[str, Tensor]:
        """New values of the base's parameters, by name, with which the plain module does what the
        adapted one does.
        """
        raise NotImplementedError


@dataclass
class Swap:
    """One place for two things: ``owner``'s parameter or child ``name``, the base's and the
    adapter's ``own``, which is in its place while ``used``.

    path: of the place in the whole model.  twin: another swap has the same ``own`` (a shared bias).
    """

    owner: nn.Module
    name: str
    path: str
    own: nn.Parameter | nn.Module
    twin: bool = False
    used: bool = False
    merged: bool = False
    hooks: list[RemovableHandle] = field(default_factory=list)
    # below ``owner.adapters_aside``: what is not in its place, by its name in the owner
    _waiting: nn.Module = field(init=False, repr=False, compare=False)

    def insert(self, adapter: str) -> None:
        """Let ``own`` wait beside its place, and keep the base's names in every ``state_dict``.

        Raises ValueError if the model has something else under that name.
        """
        owner = self.owner
        if ASIDE not in owner._modules:
            if hasattr(owner, ASIDE):
                raise ValueError(
                    f"{type(owner).__name__} has an attribute {ASIDE!r} of its own, where an "
                    "adapter would put what it takes out: rename it"
                )
            owner.add_module(ASIDE, nn.ModuleDict())
        aside = _below(owner, ASIDE)
        if adapter not in aside:
            aside[adapter] = nn.Module()
        self._waiting = aside[adapter]
        self._table(self._waiting)[self.name] = self.own
        self.hooks = [
            owner.register_state_dict_pre_hook(partial(Swap.exchange_unless_merged, self)),
            owner.register_state_dict_post_hook(partial(Swap.exchange_unless_merged, self)),
            owner.register_load_state_dict_pre_hook(partial(Swap.exchange_unless_merged, self)),
            owner.register_load_state_dict_post_hook(partial(Swap.exchange_unless_merged, self)),
        ]

    def remove(self, adapter: str) -> None:
        """Take away what waits; what is in its place stays there."""
        for hook in self.hooks:
            hook.remove()
        self._table(self._waiting).pop(self.name, None)
        aside = _below(self.owner, ASIDE)
        if not self._waiting._parameters and not self._waiting._modules and adapter in aside:
            del aside[adapter]
        if not aside:
            del self.owner._modules[ASIDE]

    def put(self, own: bool) -> None:
        """Let the adapter's (or the base's) be in the place, and the other one wait."""
        if own != self.used:
            self._exchange()
            self.used = own

    def waiting(self) -> nn.Parameter | nn.Module:
        """What is not in the place now."""
        return self._table(self._waiting)[self.name]

    def own_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Names (in the whole model) and parameters of the adapter's own."""
        if self.twin:
            return []
        if isinstance(self.own, nn.Module):
            return [(f"{self.path}.{name}", p) for name, p in self.own.named_parameters()]
        return [(self.path, self.own)]

    def _table(self, module: nn.Module) -> dict:
        return module._modules if isinstance(self.own, nn.Module) else module._parameters

    def _exchange(self) -> None:
        place, waiting = self._table(self.owner), self._table(self._waiting)
        place[self.name], waiting[self.name] = waiting[self.name], place[self.name]

    def exchange_unless_merged(self, *_: object) -> None:
        """Before a ``state_dict`` is read or written, and again after it."""
        if self.used and not self.merged:
            self._exchange()


def _below(module: nn.Module, name: str) -> nn.ModuleDict:
    """What adapters have put below a module, under ``SLOT`` or ``ASIDE``."""
    found = module._modules[name]
    assert isinstance(found, nn.ModuleDict)
    return found


def plain(base: nn.Module, *args: Any, **kwargs: Any) -> Any:
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
    _below(module, SLOT)[name] = layer


def enable(module: nn.Module, name: str) -> None:
    """From now on ``module`` computes what its layer ``name`` says."""
    module.forward = partial(_below(module, SLOT)[name], module)
    module._replicate_for_data_parallel = _refuse_to_replicate


def disable(module: nn.Module) -> None:
    """From now on ``module`` computes what it did before."""
    vars(module).pop("forward", None)
    vars(module).pop("_replicate_for_data_parallel", None)


def remove(module: nn.Module, name: str) -> None:
    """Take the layer ``name`` out; with the last one every trace of adapters is gone."""
    redirected = vars(module).get("forward")
    # another adapter's redirection stays
    if redirected is not None and redirected.func is _below(module, SLOT)[name]:
        disable(module)
    del _below(module, SLOT)[name]
    if not _below(module, SLOT):
        del module._modules[SLOT]


def _refuse_to_replicate() -> nn.Module:
    """Instead of copies whose ``forward`` would still be that of the original."""
    raise ValueError(
        "nn.DataParallel copies a model's modules, but an adapter's redirection stays with the "
        "original: take DistributedDataParallel (one process a GPU: course_lib.distributed, "
        "torchrun), let only one GPU be seen (CUDA_VISIBLE_DEVICES=0), or merge the adapter first"
    )
