"""Prefix tuning: p trained keys and values in front of those of the text, in every attention.

    attention(Q, K, V) -> attention(Q, [P_K; K], [P_V; V])       P_K, P_V (p, d) for each layer

With reparameterisation the prefixes of all L layers come out of one small network, which learns
more steadily:

    [P_K, P_V]_1..L = W_2 tanh(W_1 E + b_1) + b_2           E (p, d),  W_1 (m, d),  W_2 (2 L d, m)

``fold`` computes them once after training and drops the network (Li and Liang 2021, section 4.3).

How it gets into an attention that knows nothing of it: while the module runs, each call of
``scaled_dot_product_attention`` is intercepted, its keys and values get the prefix in front, its
mask p columns that everybody sees. So it works in any module that calls that function (this
course's, ``transformers`` with its default attention). The prefix has no position: a rotary
embedding does not turn it, and the text keeps its own places unless ``shift`` is set (``peft``
shifts them by p). It is not in the cache of ``generate``, but put in front of it at each step.

Cost: 2 L p d parameters, and p more columns in each attention, at every use: it can't be merged.
Memory: keys and values are copied once more in each attention; the activations of all layers are
kept for the backward pass.

Source: Li and Liang 2021 (arXiv:2101.00190).

>>> PrefixConfig(n_tokens=4).hidden
0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from course_lib.encoder.dropout import attention_with_dropout

from .architectures import architecture
from .method import Config, Plan, at_least, trained_dtype
from .prompt import by_name, find_encoder, first_position
from .site import Layer, plain
from .targets import ATTENTION, KEY, find_modules, is_linear, sizes, weight_of


@dataclass(frozen=True)
class PrefixConfig(Config):
    """n_tokens: p.  hidden: m, the width of the reparameterising network; 0 trains the prefixes
    themselves.
    std: of the first prefixes.  targets: attention modules.
    shift: the text's positions begin at p, behind the prefix, as in ``peft``.

    Raises ValueError or TypeError naming the field that can't be.
    """

    kind: ClassVar[str] = "prefix"
    n_tokens: int = 16
    hidden: int = 0
    std: float = 0.02
    targets: tuple[str, ...] = (ATTENTION,)
    shift: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, n_tokens=self.n_tokens)
        at_least(0, hidden=self.hidden, std=self.std)

    def build(self, model: nn.Module, skip: Sequence[str], generator: torch.Generator) -> Plan:
        """One source of prefixes, and a layer for each attention."""
        modules = find_modules(model, self.targets, nn.Module, skip=skip)
        keys = find_modules(model, (KEY,), is_linear, skip=skip)
        sites = {
            name: linear
            for key, linear in keys.items()
            if (name := key.rpartition(".")[0]) in modules
        }
        if not sites:
            raise ValueError(
                f"targets: {self.targets} match {list(modules)[:3]} ..., none of which has a "
                f"linear layer named like {KEY!r}: prefix tuning needs the attention modules "
                "themselves"
            )
        known = architecture(model)
        parts = known[1].fused if known else 1
        widths = {sizes(linear)[0] // parts for linear in sites.values()}
        if len(widths) > 1:
            raise ValueError(
                f"the attentions have keys of several widths, {sorted(widths)}: name one kind in "
                "targets"
            )
        source = PrefixSource(
            len(sites), widths.pop(), self, weight_of(next(iter(sites.values()))), generator
        )
        layers: dict[str, Layer] = {name: PrefixLayer(i, source) for i, name in enumerate(sites)}
        if self.shift:
            layers[find_encoder(model, skip)[0]] = LaterText(self.n_tokens)
        return Plan(layers)

    def now(self, layers: Mapping[str, Layer]) -> PrefixConfig:
        """Without the network, once it is folded."""
        first = next(iter(layers.values()))
        assert isinstance(first, PrefixLayer)
        return replace(self, hidden=0) if first.shared[0].mlp is None else self


class PrefixSource(nn.Module):
    """The prefixes of all layers, as they are or through the reparameterising network."""

    def __init__(
        self, n_layers: int, d: int, config: PrefixConfig, like: Tensor, generator: torch.Generator
    ) -> None:
        super().__init__()
        p, m = config.n_tokens, config.hidden
        self.d = d
        self.mlp: nn.Sequential | None = None
        width = d if m else 2 * n_layers * d
        self.rows = nn.Parameter(
            torch.randn(p, width, generator=generator) * (1.0 if m else config.std)
        )
        if m:
            inner, last = nn.Linear(d, m), nn.Linear(m, 2 * n_layers * d)
            self.mlp = nn.Sequential(inner, nn.Tanh(), last)
            for linear in (inner, last):
                bound = linear.in_features**-0.5
                for parameter in (linear.weight, linear.bias):
                    nn.init.uniform_(parameter, -bound, bound, generator=generator)
        self.to(like.device, trained_dtype(like))

    def forward(self, layer: int) -> tuple[Float[Tensor, "p d"], Float[Tensor, "p d"]]:
        """Keys and values for one layer; of the network's last product, only the part that the
        layer needs.
        """
        part = slice(2 * layer * self.d, 2 * (layer + 1) * self.d)
        if self.mlp is None:
            rows = self.rows[:, part]
        else:
            last = self.mlp[2]
            assert isinstance(last, nn.Linear)
            inner = self.mlp[:2](self.rows)  # (p, m)
            rows = F.linear(inner, last.weight[part], last.bias[part])
        keys, values = rows.split(self.d, dim=1)
        return keys, values


class PrefixLayer(Layer):
    """The prefix of one attention.

    The first layer holds the source's parameters, the others refer to it.
    """

    not_merged_because = (
        "a prefix is more rows of keys and values, which depend on no weight of the base"
    )

    def __init__(self, index: int, source: PrefixSource) -> None:
        super().__init__()
        # a list hides it from nn.Module: it must be counted once
        self.index, self.shared = (
            index,
            [source],
        )
        if index == 0:
            self.source = source

    def forward(self, base: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """The attention with the prefix in front.

        Raises ValueError if it does not call scaled_dot_product_attention.
        """
        with _Prefixed(*self.shared[0](self.index)) as mode:
            out = plain(base, *args, **kwargs)
        if not mode.calls:
            raise ValueError(
                f"{type(base).__name__} did not call scaled_dot_product_attention, so the prefix "
                "was not seen: load the model with attn_implementation='sdpa', or, where it has "
                "none, take another method"
            )
        return out

    def fold(self) -> None:
        """Replace the network by the prefixes that it gives (on the first layer)."""
        source = self.shared[0]
        if source.mlp is not None:
            with torch.no_grad():
                rows = source.mlp(source.rows)
            source.rows, source.mlp = nn.Parameter(rows), None


class LaterText(Layer):
    """At the encoder: the text's positions begin at p."""

    not_merged_because = PrefixLayer.not_merged_because

    def __init__(self, p: int) -> None:
        super().__init__()
        self.p = p

    def forward(self, base: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """The encoder's output; ``position_ids`` are moved by p, or made."""
        kwargs = by_name(base, args, kwargs)
        places = kwargs.get("position_ids")
        if places is None:
            given = kwargs.get("input_ids")
            given = kwargs["inputs_embeds"][..., 0] if given is None else given
            past, first = kwargs.get("past_key_values"), first_position(base)
            before = 0 if past is None else past.get_seq_length()
            places = torch.arange(before, before + given.shape[1], device=given.device)[None]
            if first and not given.is_floating_point():
                # RoBERTa gives padding a place of its own
                real = (given != first - 1).long()
                kwargs["position_ids"] = (real.cumsum(1) + before + self.p) * real + first - 1
                return plain(base, **kwargs)
            places = places + first
        return plain(base, **(kwargs | {"position_ids": places + self.p}))


class _Prefixed(TorchFunctionMode):
    """While active, puts a prefix in front of the keys and values of every attention."""

    def __init__(self, keys: Float[Tensor, "p d"], values: Float[Tensor, "p d"]) -> None:
        super().__init__()
        self.keys, self.values, self.calls = keys, values, 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Every PyTorch function called inside comes by here; one is changed."""
        kwargs = dict(kwargs or {})
        if function not in (F.scaled_dot_product_attention, attention_with_dropout):
            return function(*args, **kwargs)
        self.calls += 1
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
        kwargs.update(zip(names, args, strict=False))
        p, q = len(self.keys), kwargs["query"]
        for name, prefix in (("key", self.keys), ("value", self.values)):
            there = kwargs[name]  # (b, h, t, e)
            t = there.shape[2]
            rows = prefix.view(p, -1, there.shape[-1]).transpose(0, 1).to(there.dtype)  # (h, p, e)
            # grouped queries: keys and values come repeated where a mask is given
            rows = rows.repeat_interleave(there.shape[1] // len(rows), dim=0)
            kwargs[name] = torch.cat((rows.expand(there.shape[0], -1, -1, -1), there), dim=2)
        mask = kwargs.get("attn_mask")
        if kwargs.pop("is_causal", False):
            mask = torch.ones(q.shape[2], t, dtype=torch.bool, device=q.device).tril()
        if mask is not None:
            kwargs["attn_mask"] = F.pad(mask, (p, 0), value=mask.dtype == torch.bool)
        return function(**kwargs)
