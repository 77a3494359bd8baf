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

import contextlib
import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from . import site
from .method import Config, Plan
from .site import Swap
from .storage import AdapterError, Fingerprint, Stored, read, write
from .summary import Summary

HEADS = ("head", "classifier", "score", "qa_outputs")
_REGISTRY = "_course_adapters"


@dataclass
class _Registry:
    """What a model remembers. flags: which of the base's parameters were trainable before the first adapter came."""

    handles: dict[str, Handle] = field(default_factory=dict)
    active: str | None = None
    flags: list[tuple[nn.Parameter, bool]] = field(default_factory=list)


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
    registry = model.__dict__.setdefault(_REGISTRY, _Registry())
    try:
        if name in registry.handles:
            raise ValueError(
                f"an adapter {name!r} is attached already: detach it first, or give another name"
            )
        if not name or "." in name:
            raise ValueError(f"name must be a word without dots, got {name!r}")
        _check_none_merged(registry)
        _deactivate(registry)
        generator = generator or torch.Generator().manual_seed(0)
        path = _head_name(model, head)
        plan = config.build(model, path, generator)
        handle = Handle(model, config, name, plan, path, head if isinstance(head, nn.Module) else None)
    except ValueError:
        if not registry.handles:
            del model.__dict__[_REGISTRY]
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


def handles(model: nn.Module) -> dict[str, Handle]:
    """The adapters of a model by name, in the order in which they came."""
    registry = model.__dict__.get(_REGISTRY)
    return dict(registry.handles) if registry else {}


def active(model: nn.Module) -> str | None:
    """The name of the active adapter; ``None`` where the model is as it was."""
    registry = model.__dict__.get(_REGISTRY)
    return registry.active if registry else None


def _check_none_merged(registry: _Registry) -> None:
    for name, handle in registry.handles.items():
        if handle.merged:
            raise ValueError(f"the adapter {name!r} is merged into the base: unmerge it first")


def _deactivate(registry: _Registry) -> None:
    if registry.active:
        registry.handles[registry.active]._leave()


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


class Handle:
    """One adapter on one model. name, config, merged: as they are now; see ``attach``."""

    def __init__(
        self,
        model: nn.Module,
        config: Config,
        name: str,
        plan: Plan,
        head: str | None,
        new_head: nn.Module | None,
    ) -> None:
        self.model, self.config, self.name, self.head = model, config, name, head
        self.layers, self.swaps, self.watcher = plan.layers, list(plan.swaps), plan.watcher
        self._originals: list[tuple[nn.Parameter, Tensor]] = []
        self.merged = False
        if head:
            parent, _, child = head.rpartition(".")
            owner = model.get_submodule(parent)
            own = copy.deepcopy(owner._modules[child]) if new_head is None else new_head
            like = next(model.parameters())
            self.swaps.append(Swap(owner, child, head, owner._modules[child], own.to(like.device)))

    # -- what is trained ------------------------------------------------------------------------------------------

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything that this adapter trains, its head included, by name in the model."""
        for path, layer in self.layers.items():
            for name, parameter in layer.named_parameters():
                yield f"{path}:{name}".lstrip(":"), parameter
        for swap in self.swaps:
            yield from swap.own_parameters()

    def parameters(self) -> Iterator[nn.Parameter]:
        """Everything that this adapter trains: what to give to an optimiser."""
        return (parameter for _, parameter in self.named_parameters())

    def summary(self) -> Summary:
        """How many parameters, and what they cost; print it."""
        mine = {id(p) for h in handles(self.model).values() for p in h.parameters()}
        base = sum(p.numel() for p in self.model.parameters() if id(p) not in mine)
        swapped = [s.base for s in self.swaps]
        put_aside = [p for b in swapped for p in (b.parameters() if isinstance(b, nn.Module) else [b])]
        base += sum(p.numel() for p in put_aside) if self.active else 0
        head = sum(p.numel() for s in self.swaps if s.path == self.head for _, p in s.own_parameters())
        all_of_it = sum(p.numel() for p in self.parameters())
        places = len(self.layers) + len(self.swaps) - bool(self.head)
        return Summary(self.name, self.config.kind, places, all_of_it - head, head, base)

    # -- switching ------------------------------------------------------------------------------------------------

    @property
    def _registry(self) -> _Registry:
        registry = self.model.__dict__.get(_REGISTRY)
        if registry is None or registry.handles.get(self.name) is not self:
            raise ValueError(f"the adapter {self.name!r} is detached: attach or load it again")
        return registry

    @property
    def active(self) -> bool:
        """Whether the model computes with this adapter now."""
        registry = self.model.__dict__.get(_REGISTRY)
        return bool(registry) and registry.handles.get(self.name) is self and registry.active == self.name

    def activate(self) -> None:
        """Let the model compute with this adapter, and with no other. Raises ValueError while another one is merged."""
        registry = self._registry
        if registry.active == self.name:
            return
        _check_none_merged(registry)
        _deactivate(registry)
        self._enter()

    def deactivate(self) -> None:
        """Let the model compute as if it had no adapter. Raises ValueError while this one is merged."""
        if self.active:
            _check_none_merged(self._registry)
            self._leave()

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """Within the block the model is the plain base; afterwards what it was."""
        registry, was_merged = self._registry, self.merged
        if was_merged:
            self.unmerge()
        before = registry.active
        _deactivate(registry)
        try:
            yield
        finally:
            if before:
                registry.handles[before].activate()
            if was_merged:
                self.merge()

    def _enter(self) -> None:
        for path in self.layers:
            site.enable(self.model.get_submodule(path), self.name)
        for swap in self.swaps:
            swap.put(own=True)
        for parameter in self.parameters():
            parameter.requires_grad_(True)
        self.model.__dict__[_REGISTRY].active = self.name

    def _leave(self) -> None:
        for path in self.layers:
            site.disable(self.model.get_submodule(path))
        for swap in self.swaps:
            swap.put(own=False)
        for parameter in self.parameters():  # they stay below the model: no optimiser must find them
            parameter.requires_grad_(False)
        self.model.__dict__[_REGISTRY].active = None

    def _insert(self) -> None:
        done = []
        try:
            for path, layer in self.layers.items():
                site.insert(self.model.get_submodule(path), self.name, layer)
                done.append(path)
        except ValueError:
            for path in done:
                site.remove(self.model.get_submodule(path), self.name)
            raise

    # -- merging --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def merge(self, *, keep: bool = True) -> None:
        """Put the adapter into the base's weights: the model then costs what the base costs.

        keep: remember the base's weights (4 bytes for each number of the matrices that change), so that ``unmerge`` can give
            them back. Without, the model is a plain one for good, the head is the adapter's, and this handle is spent.

        Raises ValueError for a method that can't be merged, a weight that other modules share, or a second merge.
        """
        self._registry  # noqa: B018  (raises if detached)
        if self.merged:
            raise ValueError(f"the adapter {self.name!r} is merged already: merging twice would add it twice")
        if not self.active:
            raise ValueError(f"the adapter {self.name!r} is not active: activate it first")
        new = self._merged_weights()
        for parameter, value in new:
            self._originals.append((parameter, parameter.data))
            parameter.data = value
        for path in self.layers:
            site.disable(self.model.get_submodule(path))
        self.merged = True
        if not keep:
            self._forget()

    def _merged_weights(self) -> list[tuple[nn.Parameter, Tensor]]:
        if reasons := {layer.not_merged_because for layer in self.layers.values()} - {""}:
            raise ValueError(
                f"a {self.config.kind} adapter can't be merged: {reasons.pop()}. Keep it attached"
            )
        owners: dict[int, int] = {}
        for module in self.model.modules():
            for parameter in module._parameters.values():
                owners[id(parameter)] = owners.get(id(parameter), 0) + 1
        new = []
        for path, layer in self.layers.items():
            module = self.model.get_submodule(path)
            for name, value in layer.merged(module).items():
                parameter = module._parameters[name]
                if owners[id(parameter)] > 1:
                    raise ValueError(
                        f"{path}.{name} is shared with another module, which merging would change too"
                    )
                new.append((parameter, value))
        return new

    def unmerge(self) -> None:
        """Give the base its weights back, bit for bit, and go on with the adapter beside them."""
        if not self.merged:
            raise ValueError(f"the adapter {self.name!r} is not merged")
        for parameter, value in self._originals:
            parameter.data = value
        self._originals, self.merged = [], False
        for path in self.layers:
            site.enable(self.model.get_submodule(path), self.name)

    def _forget(self) -> None:
        """The merged weights are the base's now."""
        registry = self._registry
        if len(registry.handles) > 1:
            self.unmerge()
            others = [name for name in registry.handles if name != self.name]
            raise ValueError(f"merge(keep=False) would change the base under {others}: detach them first")
        self._originals, self.merged = [], False
        for path in self.layers:
            site.remove(self.model.get_submodule(path), self.name)
        self._end(registry)

    # -- leaving --------------------------------------------------------------------------------------------------

    def detach(self) -> None:
        """Take the adapter and its head off the model. With the last one, the model is as it was, bit for bit."""
        registry = self._registry
        if self.merged:
            self.unmerge()
        if self.active:
            self._leave()
        for path in self.layers:
            site.remove(self.model.get_submodule(path), self.name)
        self._end(registry)

    def _end(self, registry: _Registry) -> None:
        del registry.handles[self.name]
        if not registry.handles:
            for parameter, flag in registry.flags:
                parameter.requires_grad_(flag)
            del self.model.__dict__[_REGISTRY]

    # -- files ----------------------------------------------------------------------------------------------------

    def fingerprint(self) -> Fingerprint:
        """Of the base's weights, without its head."""
        with self.off():
            mine = {id(p) for h in handles(self.model).values() for p in h.parameters()}
            head = f"{self.head}." if self.head else None
            named = [
                (name, p)
                for name, p in self.model.named_parameters()
                if id(p) not in mine and not (head and name.startswith(head))
            ]
            return Fingerprint.of(named)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the adapter's weights, its head's included, into one safetensors file. Raises AdapterError."""
        path = Path(path)
        write(path, list(self.named_parameters()), self.config.kind, self.config.values(), self.fingerprint())
        return path

    def load(self, path: str | os.PathLike) -> None:
        """Replace this adapter's weights by those of ``path``.

        Raises AdapterError if the file is damaged, of another method or another size, or made for another base.
        """
        stored = read(Path(path))
        if stored.method != self.config.kind:
            raise AdapterError(
                f"{path} holds a {stored.method!r} adapter, this one is {self.config.kind!r}: use load(model, path)"
            )
        self._take(stored)

    def _take(self, stored: Stored) -> None:
        if self.merged:
            raise AdapterError(
                f"the adapter {self.name!r} is merged: unmerge it before loading other weights into it"
            )
        stored.base.check(self.fingerprint(), stored.path)
        stored.fill(list(self.named_parameters()))
        if self.watcher is not None:
            self.watcher.finish()

    def __repr__(self) -> str:
        state = "merged" if self.merged else "active" if self.active else "resting"
        return f"<adapter {self.name!r}: {self.config}, {state}>"
