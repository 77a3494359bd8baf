"""Prompt tuning: p trained vectors in front of the text's token vectors, and nothing else.

    [e_1 ... e_t]  ->  [q_1 ... q_p, e_1 ... e_t]        q (p, d), below the first layer

The vectors stand where tokens would: they get positions 0 .. p-1 (the text is shifted by p, as in
``peft``), token type 0, and every token of the row sees them. What comes out above them is dropped,
so heads and poolings notice nothing.

How it gets into an encoder that knows nothing of it: the encoder is called with p more token ids in
each row, and while it runs the first p rows of what the token table gives are replaced by the
trained ones.

Cost: p d parameters; the row is p tokens longer, at every use, and the gradient travels through the
whole encoder. It can't be merged.

Source: Lester et al. 2021 (arXiv:2104.08691).

>>> PromptConfig().n_tokens
20
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .method import Config, Plan, at_least
from .site import Layer, plain
from .targets import named_modules

_FILLED = {"segment_ids": 1, "attention_mask": 1, "token_type_ids": 0}


@dataclass(frozen=True)
class PromptConfig(Config):
    """n_tokens: p.  start: "vocabulary" (rows of the token table, drawn by chance) or "normal" (std
    0.02).

    Raises ValueError or TypeError naming the field that can't be.
    """

    kind: ClassVar[str] = "prompt"
    n_tokens: int = 20
    start: str = "vocabulary"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, n_tokens=self.n_tokens)
        if self.start not in ("vocabulary", "normal"):
            raise ValueError(f"start must be 'vocabulary' or 'normal', got {self.start!r}")

    def build(self, model: nn.Module, skip: str | None, generator: torch.Generator) -> Plan:
        """One layer, at the encoder: the smallest module that holds both the token table and the
        blocks.
        """
        tables = [
            (name, m) for name, m in named_modules(model, skip) if isinstance(m, nn.Embedding)
        ]
        blocks = [
            name
            for name, m in named_modules(model, skip)
            if isinstance(m, nn.ModuleList) and len(m)
        ]
        if not tables or not blocks:
            raise ValueError(
                "prompt tuning needs a token table (nn.Embedding) and a list of blocks "
                "(nn.ModuleList)"
            )
        name, table = max(tables, key=lambda pair: pair[1].num_embeddings)
        encoder = _common(name, blocks[0])
        inner = name[len(encoder) :].lstrip(".")
        return Plan({encoder: PromptLayer(inner, table.weight, self, generator)})


def _common(one: str, other: str) -> str:
    """The name of the smallest module that holds both."""
    shared = []
    for a, b in zip(one.split("."), other.split("."), strict=False):
        if a != b:
            break
        shared.append(a)
    return ".".join(shared)


class PromptLayer(Layer):
    """The trained vectors, at the encoder. table: the token table's name below it."""

    not_merged_because = "a prompt is more rows of the input, which depend on no weight of the base"

    def __init__(
        self, table: str, weight: Tensor, config: PromptConfig, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.table = table
        p, (v, d) = config.n_tokens, weight.shape
        if config.start == "vocabulary":
            drawn = torch.randint(v, (p,), generator=generator).to(weight.device)
            start = weight.detach()[drawn].clone()
        else:
            start = (torch.randn(p, d, generator=generator) * 0.02).to(weight)
        self.vectors = nn.Parameter(start)  # (p, d)

    def forward(self, base: nn.Module, input_ids: Tensor, **kwargs: object) -> object:
        """The encoder's output for the text, which has seen the prompt.

        Raises ValueError where a row holds several documents: the prompt could belong to one of
        them only.
        """
        p = len(self.vectors)
        kwargs = self._longer(input_ids, kwargs)
        hook = base.get_submodule(self.table).register_forward_hook(self._replace)
        try:
            out = plain(base, F.pad(input_ids, (p, 0)), **kwargs)
        finally:
            hook.remove()
        return out if kwargs.get("positions") is not None else _without_prompt(base, out, p)

    def _longer(self, input_ids: Tensor, kwargs: dict) -> dict:
        p, kwargs = len(self.vectors), dict(kwargs)
        segments = kwargs.get("segment_ids")
        if segments is not None and segments.is_cpu and segments.numel() and segments.max() > 1:
            raise ValueError(
                "segment_ids above 1: a prompt can't stand in front of several documents; one text "
                "a row"
            )
        if kwargs.get("inputs_embeds") is not None:
            raise ValueError(
                "give input_ids, not inputs_embeds: the prompt is put in front of the token vectors"
            )
        for name, value in _FILLED.items():
            if kwargs.get(name) is not None:
                kwargs[name] = F.pad(kwargs[name], (p, 0), value=value)
        if (places := kwargs.get("position_ids")) is not None:
            front = torch.arange(p, device=places.device).expand(*places.shape[:-1], p)
            kwargs["position_ids"] = torch.cat((front, places + p), dim=-1)
        if (chosen := kwargs.get("positions")) is not None:  # rows are p longer
            kwargs["positions"] = chosen + p * (chosen // input_ids.shape[1] + 1)
        return kwargs

    def _replace(self, module: nn.Module, args: tuple, out: Float[Tensor, "b t d"]) -> Tensor:
        front = self.vectors.to(out.dtype).expand(out.shape[0], -1, -1)
        return torch.cat((front, out[:, len(self.vectors) :]), dim=1)


def _without_prompt(base: nn.Module, out: object, p: int) -> object:
    """Drop the first p places of the hidden states, and pool again without them."""
    if isinstance(out, Tensor):
        return out[:, p:]
    out["last_hidden_state"] = out.last_hidden_state[:, p:]
    if out.get("pooler_output") is not None:
        out["pooler_output"] = base.pooler(out.last_hidden_state)
    return out
