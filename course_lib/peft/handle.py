"""One adapter on one model: what is trained, switching, merging, leaving, and its file.

Merging keeps the base's own weights and puts them back: (W + D) - D is not W in floating point. The
fingerprint of the base goes into the file, so that a correction of these weights is not loaded onto
others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from . import site
from .fused import keep_ordinary
from .heads import as_the_base
from .interchange import write_peft
from .merging import merged_weights
from .method import Config, Plan
from .registry import REGISTRY, Registry, check_none_merged, deactivate, handles
from .site import Swap
from .storage import AdapterError, Fingerprint, Stored, read, write
from .summary import Summary


class Handle:
    """One adapter on one model. name, config, merged: as they are now; see ``attach``."""

    def __init__(
        self,
        model: nn.Module,
        config: Config,
        name: str,
        plan: Plan,
        heads: list[Swap],
    ) -> None:
        self.model, self.config, self.name = model, config, name
        self.heads = tuple(swap.path for swap in heads)
        self.layers, self.swaps, self.watcher = plan.layers, plan.swaps + heads, plan.watcher
        self._originals: list[tuple[nn.Parameter, Tensor]] = []
        self._kept_ordinary: list[RemovableHandle] = []
        self.merged = False

    @property
    def head(self) -> str | None:
        """The name of the head (the last of ``heads``), or None."""
        return self.heads[-1] if self.heads else None

    def head_swaps(self) -> list[Swap]:
        """Those of ``swaps`` that are the head's."""
        return [swap for swap in self.swaps if swap.path in self.heads]

    # -- what is trained --------------------------------------------------------------------------

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
        head = sum(p.numel() for swap in self.head_swaps() for _, p in swap.own_parameters())
        all_of_it = sum(p.numel() for p in self.parameters())
        places = set(self.layers) | {s.path.removesuffix(".bias") for s in self.swaps}
        n_places = len(places - set(self.heads))
        return Summary(self.name, self.config.kind, n_places, all_of_it - head, head, base)

    # -- switching --------------------------------------------------------------------------------

    @property
    def _registry(self) -> Registry:
        registry = self.model.__dict__.get(REGISTRY)
        if registry is None or registry.handles.get(self.name) is not self:
            raise ValueError(f"the adapter {self.name!r} is detached: attach or load it again")
        return registry

    @property
    def active(self) -> bool:
        """Whether the model computes with this adapter now."""
        registry = self.model.__dict__.get(REGISTRY)
        return (
            bool(registry)
            and registry.handles.get(self.name) is self
            and registry.active == self.name
        )

    def activate(self) -> None:
        """Let the model compute with this adapter, and with no other.

        Raises ValueError while another one is merged.
        """
        registry = self._registry
        if registry.active == self.name:
            return
        check_none_merged(registry)
        deactivate(registry)
        self.enter()

    def deactivate(self) -> None:
        """Let the model compute as if it had no adapter.

        Raises ValueError while this one is merged.
        """
        if self.active:
            check_none_merged(self._registry)
            self.leave()

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """Within the block the model is the plain base; afterwards what it was."""
        registry, was_merged = self._registry, self.merged
        if was_merged:
            self.unmerge()
        before = registry.active
        deactivate(registry)
        try:
            yield
        finally:
            if before:
                registry.handles[before].activate()
            if was_merged:
                self.merge()

    def enter(self) -> None:
        """Put the adapter into the forward pass, and let its parameters train."""
        self._redirect(True)
        for swap in self.swaps:
            swap.put(own=True)
        for parameter in self.parameters():
            parameter.requires_grad_(True)
        self.model.__dict__[REGISTRY].active = self.name

    def leave(self) -> None:
        """Take it out of the forward pass; its parameters stop training."""
        self._redirect(False)
        for swap in self.swaps:
            swap.put(own=False)
        # they stay below the model: no optimiser must find them
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self.model.__dict__[REGISTRY].active = None

    def _redirect(self, on: bool) -> None:
        for path in self.layers:
            module = self.model.get_submodule(path)
            site.enable(module, self.name) if on else site.disable(module)
        for hook in self._kept_ordinary:
            hook.remove()
        self._kept_ordinary = keep_ordinary(self.model, self.layers) if on else []

    def insert(self) -> None:
        """Put the layers below their modules, all or none. Raises ValueError."""
        layers, swaps = [], []
        try:
            for path, layer in self.layers.items():
                site.insert(self.model.get_submodule(path), self.name, layer)
                layers.append(path)
            for swap in self.swaps:
                swap.insert(self.name)
                swaps.append(swap)
        except ValueError:
            self._take_out(layers, swaps)
            raise

    def _take_out(self, layers: Iterable[str], swaps: Iterable[Swap]) -> None:
        for path in layers:
            site.remove(self.model.get_submodule(path), self.name)
        for swap in swaps:
            swap.remove(self.name)

    # -- merging ----------------------------------------------------------------------------------

    @torch.no_grad()
    def merge(self, *, keep: bool = True) -> None:
        """Put the adapter into the base's weights: the model then costs what the base costs.

        keep: remember the base's weights (4 bytes for each number of the matrices that change), so
            that ``unmerge`` can give them back. Without, the model is a plain one for good, the
            head is the adapter's, and this handle is spent.

        Raises ValueError for a method that can't be merged, a weight that other modules share, or a
        second merge.
        """
        self._registry  # noqa: B018  (raises if detached)
        if self.merged:
            said = f"the adapter {self.name!r} is merged already"
            raise ValueError(f"{said}: merging twice would add it twice")
        if not self.active:
            raise ValueError(f"the adapter {self.name!r} is not active: activate it first")
        for parameter, value in merged_weights(self.model, self.layers, self.config.kind):
            self._originals.append((parameter, parameter.data))
            parameter.data = value
        self._redirect(False)
        self._set_merged(True)
        if not keep:
            self._forget()

    def unmerge(self) -> None:
        """Give the base its weights back, bit for bit, and go on with the adapter beside them."""
        if not self.merged:
            raise ValueError(f"the adapter {self.name!r} is not merged")
        for parameter, value in self._originals:
            parameter.data = value
        self._originals = []
        self._set_merged(False)
        self._redirect(True)

    def _set_merged(self, merged: bool) -> None:
        self.merged = merged
        for swap in self.swaps:
            swap.merged = merged

    def _forget(self) -> None:
        """The merged weights are the base's now."""
        registry = self._registry
        if len(registry.handles) > 1:
            self.unmerge()
            others = [name for name in registry.handles if name != self.name]
            raise ValueError(
                f"merge(keep=False) would change the base under {others}: detach them first"
            )
        self._originals = []
        self._set_merged(False)
        for swap in self.head_swaps():
            as_the_base(swap)
        self._take_out(self.layers, self.swaps)
        self._end(registry)

    # -- leaving ----------------------------------------------------------------------------------

    def detach(self) -> None:
        """Take the adapter and its head off the model.

        With the last one, the model is as it was, bit for bit.
        """
        registry = self._registry
        if self.merged:
            self.unmerge()
        if self.active:
            self.leave()
        self._take_out(self.layers, self.swaps)
        self._end(registry)

    def _end(self, registry: Registry) -> None:
        del registry.handles[self.name]
        if not registry.handles:
            for parameter, flag in registry.flags:
                parameter.requires_grad_(flag)
            del self.model.__dict__[REGISTRY]

    # -- files ------------------------------------------------------------------------------------

    def fingerprint(self) -> Fingerprint:
        """Of the base's weights, without its head."""
        with self.off():
            mine = {id(p) for h in handles(self.model).values() for p in h.parameters()}
            heads = tuple(f"{name}." for name in self.heads)
            named = [(n, p) for n, p in self.model.named_parameters() if id(p) not in mine]
            return Fingerprint.of((n, p) for n, p in named if not n.startswith(heads))

    def save(self, path: str | os.PathLike) -> Path:
        """Write the adapter's weights, its head's included, into one safetensors file.

        Raises AdapterError.
        """
        config, named = self.config.now(self.layers), list(self.named_parameters())
        write(Path(path), named, config.kind, config.values(), self.fingerprint())
        return Path(path)

    def save_peft(self, folder: str | os.PathLike) -> Path:
        """Write the folder that the library ``peft`` reads; ``load_peft`` reads it, too.

        Raises AdapterError for a method that is not in ``peft``, or is another one there.
        """
        write_peft(Path(folder), self.model, self.config, self.layers, self.head_swaps())
        return Path(folder)

    def load(self, path: str | os.PathLike) -> None:
        """Replace this adapter's weights by those of ``path``.

        Raises AdapterError if the file is damaged, of another method or another size, or made for
        another base.
        """
        stored = read(Path(path))
        if stored.method != self.config.kind:
            raise AdapterError(
                f"{path} holds a {stored.method!r} adapter, this one is {self.config.kind!r}: use "
                "load(model, path)"
            )
        self.take(stored)

    def take(self, stored: Stored) -> None:
        """Replace the weights by stored ones. Raises AdapterError if they do not fit here."""
        if self.merged:
            raise AdapterError(
                f"the adapter {self.name!r} is merged: unmerge it before loading other weights "
                "into it"
            )
        stored.base.check(self.fingerprint(), stored.path)
        stored.fill(list(self.named_parameters()))
        if self.watcher is not None:
            self.watcher.finish()

    def __repr__(self) -> str:
        state = "merged" if self.merged else "active" if self.active else "resting"
        return f"<adapter {self.name!r}: {self.config}, {state}>"
