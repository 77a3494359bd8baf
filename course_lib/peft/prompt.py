"""Prompt tuning: p trained vectors in front of the text's token vectors, and nothing else.

    [e_1 ... e_t]  ->  [q_1 ... q_p, e_1 ... e_t]        q (p, d), below the first layer

The vectors stand where tokens would: they get positions 0 .. p-1 (the text is shifted by p, as in
``peft``), token type 0, and every token of the row sees them. What comes out above them is dropped,
from all hidden states, so heads and poolings notice nothing. (An attention map keeps its columns
for them, since they were looked at.) In an encoder-decoder the prompt is the encoder's.

How it gets into an encoder that knows nothing of it: the encoder is called with p more token ids in
each row, and while it runs the first p rows of what the token table gives are replaced by the
trained ones. Under ``generate`` that happens once: the cache then holds their keys and values.

Cost: p d parameters; the row is p tokens longer, at every use, and the gradient travels through the
whole encoder. It can't be merged. Memory: the activations of all layers are kept for the backward
pass, as in full fine-tuning, but no gradient of a weight.

Source: Lester et al. 2021 (arXiv:2104.08691).

>>> PromptConfig().n_tokens
20
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .method import Config, Plan, at_least, trained_dtype
from .site import Layer, plain
from .targets import named_modules, weight_of

_OTHER_TABLES = re.compile("position|wpe|token_type|segment|relative")
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

    def build(self, model: nn.Module, skip: Sequence[str], generator: torch.Generator) -> Plan:
        """One layer, at the encoder: the smallest module that holds both the token table and the
        blocks.
        """
        encoder, table = find_encoder(model, skip)
        weight = weight_of(model.get_submodule(encoder).get_submodule(table))
        return Plan({encoder: PromptLayer(table, weight, self, generator)})


def find_encoder(model: nn.Module, skip: Sequence[str] = ()) -> tuple[str, str]:
    """The name of the module that makes hidden states of token ids, and of its token table below
    it: of an encoder-decoder, its encoder.

    Raises ValueError if the model has no table or no blocks.
    """
    named = named_modules(model, skip)
    start = ""
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        # by the stubs, an attribute of a module is a tensor or a module
        its = cast(Any, model).get_encoder()
        start = next(name for name, m in named if m is its)
        named = [(f"{start}.{n}", m) for n, m in named_modules(model.get_submodule(start))]
    tables = [(name, m) for name, m in named if isinstance(m, nn.Embedding)]
    # a table of positions may have more rows than that of tokens
    tables = [pair for pair in tables if not _OTHER_TABLES.search(pair[0])] or tables
    blocks = [name for name, m in named if isinstance(m, nn.ModuleList) and len(m)]
    if not tables or not blocks:
        raise ValueError(
            "prompt tuning needs a token table (nn.Embedding) and a list of blocks "
            f"(nn.ModuleList); {type(model).__name__} has {len(tables)} and {len(blocks)}: take "
            "another method"
        )
    name, _ = max(tables, key=lambda pair: pair[1].num_embeddings)
    encoder = _common(name, blocks[0])
    return encoder, name[len(encoder) :].lstrip(".")


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
        self.vectors = nn.Parameter(start.to(trained_dtype(weight)))  # (p, d)

    def forward(self, base: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """The encoder's output for the text, which has seen the prompt.

        Raises ValueError where a row holds several documents (the prompt could belong to one of
        them only), or for a cache that was filled without this prompt.
        """
        kwargs = by_name(base, args, kwargs)
        p, past = len(self.vectors), kwargs.get("past_key_values")
        if cached(past):
            return plain(base, **self._later(kwargs))
        if getattr(past, "is_compileable", False):
            raise ValueError(
                f"past_key_values is a {type(past).__name__} of a fixed length, which has no room "
                "for the prompt: leave cache_implementation out"
            )
        as_tuple = kwargs.get("return_dict") is False
        if as_tuple:
            kwargs["return_dict"] = True
        kwargs = self._longer(base, kwargs)
        hook = base.get_submodule(self.table).register_forward_hook(self._replace)
        try:
            out = plain(base, **kwargs)
        finally:
            hook.remove()
        if kwargs.get("positions") is None:
            out = _without_prompt(base, out, p, kwargs["input_ids"].shape[1])
        if (cache := getattr(out, "past_key_values", None)) is not None:
            cache.holds_prompt = p
        return out.to_tuple() if as_tuple else out

    def _later(self, kwargs: dict) -> dict:
        """For further tokens: the prompt is in the cache, the text is still p later."""
        p, past = len(self.vectors), kwargs["past_key_values"]
        mask, places = kwargs.get("attention_mask"), kwargs.get("position_ids")
        if getattr(past, "holds_prompt", 0) != p:
            raise ValueError(
                f"past_key_values holds {past.get_seq_length()} tokens that have not seen this "
                "prompt: begin without a cache while the adapter is active"
            )
        if mask is not None:
            expected = past.get_seq_length() - p + kwargs["input_ids"].shape[1]
            if mask.dim() != 2 or mask.shape[1] != expected:
                raise ValueError(
                    f"attention_mask has the shape {tuple(mask.shape)}, but the text has "
                    f"{expected} tokens (the cache holds {p} more, the prompt's, which are masked "
                    "here): give a mask (b, t) of the whole text"
                )
            kwargs["attention_mask"] = F.pad(mask, (p, 0), value=1)
        if places is not None:
            kwargs["position_ids"] = places + p
        return kwargs

    def _longer(self, base: nn.Module, kwargs: dict) -> dict:
        p, ids, segments = len(self.vectors), kwargs.get("input_ids"), kwargs.get("segment_ids")
        if segments is not None and segments.is_cpu and segments.numel() and segments.max() > 1:
            raise ValueError(
                "segment_ids above 1: a prompt can't stand in front of several documents; one text "
                "a row"
            )
        if ids is None or kwargs.get("inputs_embeds") is not None:
            raise ValueError(
                "give input_ids, not inputs_embeds: the prompt is put in front of the token vectors"
            )
        for name, value in _FILLED.items():
            if kwargs.get(name) is not None:
                if kwargs[name].dim() != 2:
                    raise ValueError(
                        f"{name} has the shape {tuple(kwargs[name].shape)}: with a prompt, give "
                        "one of the shape (b, t), which can be made longer"
                    )
                kwargs[name] = F.pad(kwargs[name], (p, 0), value=value)
        if (places := kwargs.get("position_ids")) is not None:
            first = first_position(base)
            front = torch.arange(first, first + p, device=places.device)
            front = front.expand(*places.shape[:-1], p)
            kwargs["position_ids"] = torch.cat((front, places + p), dim=-1)
        if (chosen := kwargs.get("positions")) is not None:  # rows are p longer
            kwargs["positions"] = chosen + p * (chosen // ids.shape[1] + 1)
        # some models count positions from the tokens that are no padding
        filler = int(base.get_submodule(self.table).padding_idx == 0)
        kwargs["input_ids"] = F.pad(ids, (p, 0), value=filler)
        return kwargs

    def _replace(self, module: nn.Module, args: tuple, out: Float[Tensor, "b t d"]) -> Tensor:
        front = self.vectors.to(out.dtype).expand(out.shape[0], -1, -1)
        return torch.cat((front, out[:, len(self.vectors) :]), dim=1)


def by_name(module: nn.Module, args: tuple, kwargs: dict) -> dict:
    """The arguments of a call of ``module``, each by its name."""
    if not args:
        return dict(kwargs)
    names = list(inspect.signature(type(module).forward).parameters)[1:]
    return dict(zip(names, args, strict=False)) | kwargs


def cached(past: Any) -> bool:
    """Whether a cache of keys and values holds something already."""
    return past is not None and past.get_seq_length() > 0


def first_position(encoder: nn.Module) -> int:
    """The position of a row's first token: 0, or the one behind that of padding (RoBERTa)."""
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and (i := getattr(module, "padding_idx", None)):
            return i + 1
    return 0


def _without_prompt(base: nn.Module, out: Any, p: int, t: int) -> Any:
    """Drop the first p places of all hidden states and attention maps (of t), and pool again."""
    if isinstance(out, Tensor):
        return out[:, p:]
    for name in ("last_hidden_state", "hidden_states", "attentions"):
        if (value := out.get(name)) is None:
            continue
        cut = [
            h if h is None or h.shape[-2] != t else h[..., p:, :]
            for h in (value if isinstance(value, tuple) else (value,))
        ]
        out[name] = tuple(cut) if isinstance(value, tuple) else cut[0]
    if out.get("pooler_output") is not None:
        out["pooler_output"] = base.get_submodule("pooler")(out.last_hidden_state)
    return out
