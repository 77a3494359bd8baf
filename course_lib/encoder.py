"""One Transformer encoder, in two dress codes: BERT's of 2018 and the modern one.

Every block adds two corrections to a stream of vectors, one by looking at the other tokens (attention) and one
by thinking about each token alone (feed-forward):

    post-norm (BERT):    x = norm(x + attention(x));   x = norm(x + feed_forward(x))
    pre-norm (modern):   x = x + attention(norm(x));   x = x + feed_forward(norm(x))

    attention(x) = softmax(Q K^T / sqrt(d / h) + mask) V,   Q, K, V = x W_q, x W_k, x W_v

Choices, and what each costs:

* Q, K and V are three layers, not one fused layer: clearer, and methods such as LoRA can name them. On two CPU
  cores the three were no slower than the fused one.
* ``scaled_dot_product_attention`` never writes the (t, t) weights to memory where the device has a fused kernel.
* Documents that share a row do not see each other: the mask is ``segment_ids[i] == segment_ids[j]``. Padding is
  segment 0 and looks at padding only, so no row of the softmax is empty and no NaN can arise. With
  ``encoder.variable_length = True`` the kernel gets the documents' bounds in place of a mask (``varlen``): the same
  result, and nothing computed across documents; it is not for dropout in attention.
* Rotary positions (``positions="rotary"``) have no parameters and depend on distances only. Sinusoidal ones
  have none either; they are added to the token's vector once, at the bottom.

A forward pass costs 2N + 4TdL floating-point operations a token (N: weights in the blocks, T: tokens in the row,
d: width, L: layers).

Sources: Vaswani et al. 2017 (arXiv:1706.03762), Devlin et al. 2019 (arXiv:1810.04805), Su et al. 2021
(arXiv:2104.09864, rotary positions), Shazeer 2020 (arXiv:2002.05202, gated feed-forward), Warner et al. 2024
(arXiv:2412.13663, ModernBERT: the shape of ``EncoderConfig.modern``).

>>> config = EncoderConfig.modern(vocab_size=100, n_layers=2, d_model=32, n_heads=4)
>>> Encoder(config)(torch.tensor([[2, 50, 60, 3]])).shape
torch.Size([1, 4, 32])
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .dropout import Dropout, attention_with_dropout
from .varlen import Bounds, document_bounds, varlen_attention


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of an encoder. ``bert()`` and ``modern()`` fill in what each tradition fixes.

    vocab_size, n_layers, d_model (width), n_heads, d_ff (inner width of the feed-forward part), max_len (longest row).
    norm: "post" (after the addition, as in BERT) or "pre" (before the layer, with one more norm at the end).
    positions: "learned" (a vector per place, at most ``max_len``), "sinusoidal" (a fixed one), "rotary" or "none".
    gated: feed-forward with a gate, act(x W_a) * (x W_g), which has one more matrix of d_model * d_ff.
    bias: whether linear layers and norms have biases.  n_token_types: 2 for BERT's sentence A and B, or 0.
    dropout: on embeddings, attention weights and before each addition.  norm_eps: inside LayerNorm's root.
    rotary_base: the slowest rotary angle turns once in about 2 pi * base tokens.  init_std: of the first weights.
    pad_id: only remembered, for ``to_transformers``.

    Raises ValueError naming the field that can't be.
    """

    vocab_size: int
    n_layers: int
    d_model: int
    n_heads: int
    d_ff: int
    max_len: int
    norm: str = "post"
    positions: str = "learned"
    gated: bool = False
    bias: bool = True
    n_token_types: int = 0
    dropout: float = 0.0
    norm_eps: float = 1e-12
    rotary_base: float = 10_000.0
    init_std: float = 0.02
    pad_id: int = 0

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_layers", "d_model", "n_heads", "d_ff", "max_len"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, allowed in (
            ("norm", ("post", "pre")),
            ("positions", ("learned", "sinusoidal", "rotary", "none")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model ({self.d_model}) must be a multiple of n_heads ({self.n_heads})")
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                f"sinusoidal positions are pairs of numbers: d_model must be even, got {self.d_model}"
            )
        if self.positions == "rotary" and self.d_head % 2:
            raise ValueError(
                f"rotary positions turn pairs of numbers: d_model / n_heads must be even, got {self.d_head}; "
                "choose another n_heads"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @classmethod
    def bert(
        cls, *, vocab_size: int, n_layers: int = 12, d_model: int = 768, n_heads: int = 12, **others
    ) -> EncoderConfig:
        """BERT (Devlin et al. 2019): post-norm, learned positions, GELU, biases; the defaults are BERT-base."""
        defaults = dict(d_ff=4 * d_model, max_len=512, n_token_types=2, dropout=0.1)
        return cls(vocab_size, n_layers, d_model, n_heads, **{**defaults, **others})

    @classmethod
    def modern(
        cls, *, vocab_size: int, n_layers: int = 12, d_model: int = 768, n_heads: int = 12, **others
    ) -> EncoderConfig:
        """Pre-norm, rotary positions, gated GELU, no biases: ModernBERT (Warner et al. 2024) with full attention.

        ``d_ff`` defaults to 8/3 of ``d_model``, rounded to 32, so that the gated part has as many weights as BERT's.
        ``init_std`` defaults to ``d_model ** -0.5``, which keeps the scale of a vector through a layer; BERT's 0.02 does
        so at widths near 1 000, and a narrow model that starts with it stays longer at the unigram distribution.
        """
        d_ff = max(32, round(d_model * 8 / 3 / 32) * 32)
        defaults = dict(
            d_ff=d_ff, max_len=1024, norm="pre", positions="rotary", gated=True, bias=False, norm_eps=1e-5
        )
        defaults["init_std"] = d_model**-0.5
        return cls(vocab_size, n_layers, d_model, n_heads, **{**defaults, **others})

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> EncoderConfig:
        """The inverse of ``to_json``. Raises ValueError on unknown fields."""
        values = json.loads(text)
        if unknown := set(values) - {f.name for f in fields(cls)}:
            raise ValueError(f"unknown fields of an encoder's configuration: {sorted(unknown)}")
        return cls(**values)


def _norm(config: EncoderConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=config.bias)


def _embedding_std(config: EncoderConfig) -> float:
    """An embedding is normalised as soon as it is looked up: its scale matters only where the tied table scores the
    output, and there it is small, so that an untrained model says next to nothing."""
    return min(0.02, config.init_std)


def sinusoids(
    position_ids: Int[Tensor, "*b t"], d_model: int, base: float = 10_000.0
) -> Float[Tensor, "*b t d"]:
    """Waves of d_model / 2 lengths, from 2 pi to 2 pi base tokens (Vaswani et al. 2017, section 3.5).

    Column 2i is sin(position * base^(-2i / d)), column 2i + 1 the cosine. A shift of the position turns each such pair
    by an angle that does not depend on the position, so the product of two rows depends on their distance only.

    >>> sinusoids(torch.tensor([0]), 4).tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    i = torch.arange(0, d_model, 2, dtype=torch.float32, device=position_ids.device)
    angles = position_ids[..., None].float() * base ** (-i / d_model)  # (*b, t, d / 2)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def rotary_angles(
    position_ids: Int[Tensor, "*b t"], d_head: int, base: float
) -> tuple[Float[Tensor, "*b t k"], Float[Tensor, "*b t k"]]:
    """Cosine and sine of the angles position * base^(-2i / d_head), i = 0 .. d_head/2 - 1 (k = d_head / 2)."""
    i = torch.arange(0, d_head, 2, dtype=torch.float32, device=position_ids.device)
    angles = position_ids[..., None].float() * base ** (-i / d_head)  # (*b, t, k)
    return angles.cos(), angles.sin()


def rotate(
    x: Float[Tensor, "b h t e"], cos: Float[Tensor, "... t k"], sin: Float[Tensor, "... t k"]
) -> Float[Tensor, "b h t e"]:
    """Turn each pair (x_i, x_{i + e/2}) by its position's angle, so that q_m . k_n depends on m - n only."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def attention_mask(
    input_ids: Int[Tensor, "b t"], segment_ids: Int[Tensor, "b t"] | None, causal: bool
) -> Bool[Tensor, "... t t"] | None:
    """Which token (row) may look at which (column): its own document, if causal not its future; ``None`` for all.

    Every token may look at itself, so no row of the softmax is empty.

    >>> attention_mask(torch.tensor([[5, 6, 7]]), torch.tensor([[1, 2, 2]]), causal=True).int().squeeze().tolist()
    [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    """
    mask = None if segment_ids is None else (segment_ids[:, None, :, None] == segment_ids[:, None, None, :])
    if not causal:
        return mask
    t = input_ids.shape[1]
    past = torch.ones(t, t, dtype=torch.bool, device=input_ids.device).tril()  # (t, t)
    return past if mask is None else mask & past


class Embedding(nn.Module):
    """Token vectors, plus learned positions and token types where the configuration has them, normalised."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        learned = config.positions == "learned"
        self.positions = nn.Embedding(config.max_len, config.d_model) if learned else None
        # Waves have root mean square 1 / sqrt(2), new token vectors init_std: unscaled, they would drown the tokens.
        self.waves = math.sqrt(2) * _embedding_std(config) if config.positions == "sinusoidal" else 0.0
        self.types = nn.Embedding(config.n_token_types, config.d_model) if config.n_token_types else None
        self.norm = _norm(config)
        self.dropout = Dropout(config.dropout)

    def forward(
        self,
        input_ids: Int[Tensor, "b t"],
        position_ids: Int[Tensor, "*b t"],
        token_type_ids: Int[Tensor, "b t"] | None = None,
    ) -> Float[Tensor, "b t d"]:
        """Look up and add."""
        x = self.tokens(input_ids)
        if self.positions is not None:
            x = x + self.positions(position_ids)
        if self.waves:
            x = x + self.waves * sinusoids(position_ids, x.shape[-1]).to(x.dtype)
        if self.types is not None:
            x = x + (self.types.weight[0] if token_type_ids is None else self.types(token_type_ids))
        return self.dropout(self.norm(x))


class Attention(nn.Module):
    """Multi-head self-attention; see the formula at the top of the file."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        d = config.d_model
        self.n_heads, self.dropout = config.n_heads, config.dropout
        self.query, self.key, self.value, self.output = (nn.Linear(d, d, bias=config.bias) for _ in range(4))

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        mask: Bool[Tensor, "... t t"] | Bounds | None,
        rotary: tuple[Tensor, Tensor] | None,
        positions: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "b t d"] | Float[Tensor, "n d"]:
        """Each token's mixture of the values that it may see; at ``positions`` (row * t + column) only, if given."""
        b, t, d = x.shape
        q, k, v = (
            layer(x).view(b, t, self.n_heads, -1).transpose(1, 2)  # (b, h, t, d/h)
            for layer in (self.query, self.key, self.value)
        )
        if rotary is not None:
            q, k = rotate(q, *rotary), rotate(k, *rotary)
        dropout = self.dropout if self.training else 0.0
        if isinstance(mask, Bounds):
            mixed = varlen_attention(q, k, v, mask)
        elif dropout and x.device.type == "cpu":
            mixed = attention_with_dropout(q, k, v, mask, dropout)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.output(_only(mixed.transpose(1, 2).reshape(b, t, d), positions))


def _only(x: Float[Tensor, "b t d"], positions: Int[Tensor, " n"] | None) -> Tensor:
    return x if positions is None else x.flatten(0, 1).index_select(0, positions)


class FeedForward(nn.Module):
    """Two linear layers with GELU between them; with a gate, the inner vector is act(a) * g."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.gated = config.gated
        self.inner = nn.Linear(config.d_model, config.d_ff * (2 if config.gated else 1), bias=config.bias)
        self.output = nn.Linear(config.d_ff, config.d_model, bias=config.bias)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Every token on its own."""
        x = self.inner(x)
        if self.gated:
            x, gate = x.chunk(2, dim=-1)
            return self.output(F.gelu(x) * gate)
        return self.output(F.gelu(x))


class Block(nn.Module):
    """Attention and feed-forward, each added to the stream, normalised before or after."""

    def __init__(self, config: EncoderConfig, layer: int) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.attention, self.feed_forward = Attention(config), FeedForward(config)
        # In a pre-norm stack the embedding is normalised already: a second norm before block 0 would do nothing new.
        self.attention_norm = nn.Identity() if self.pre and layer == 0 else _norm(config)
        self.feed_forward_norm = _norm(config)
        self.dropout = Dropout(config.dropout)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        mask: Tensor | Bounds | None,
        rotary: tuple | None,
        positions: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "b t d"] | Float[Tensor, "n d"]:
        """One step of the residual stream; at ``positions`` only, if given."""
        stream = _only(x, positions)
        if self.pre:
            x = stream + self.dropout(self.attention(self.attention_norm(x), mask, rotary, positions))
            return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        x = self.attention_norm(stream + self.dropout(self.attention(x, mask, rotary, positions)))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


class Encoder(nn.Module):
    """Token ids in, one vector per token out.

    >>> encoder = Encoder(EncoderConfig.bert(vocab_size=50, n_layers=1, d_model=8, n_heads=2, dropout=0.0))
    >>> encoder(torch.tensor([[2, 7, 3]]), segment_ids=torch.tensor([[1, 1, 1]])).shape
    torch.Size([1, 3, 8])
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config, self.variable_length = config, False
        self.embedding = Embedding(config)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layers))
        self.final_norm = _norm(config) if config.norm == "pre" else nn.Identity()
        self.apply(self._init)
        for (
            block
        ) in self.blocks:  # 2L additions to the stream: keep its variance from growing with depth (GPT-2)
            for layer in (block.attention.output, block.feed_forward.output):
                nn.init.trunc_normal_(layer.weight, std=config.init_std / math.sqrt(2 * config.n_layers))

    def _init(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            std = self.config.init_std if isinstance(module, nn.Linear) else _embedding_std(self.config)
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(
        self,
        input_ids: Int[Tensor, "b t"],
        *,
        segment_ids: Int[Tensor, "b t"] | None = None,
        position_ids: Int[Tensor, "b t"] | None = None,
        token_type_ids: Int[Tensor, "b t"] | None = None,
        causal: bool = False,
        positions: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "b t d"] | Float[Tensor, "n d"]:
        """Hidden states after the last block.

        segment_ids: 0 on padding, a number per document elsewhere; ``None`` lets every token see every token.
        position_ids: ``None`` means 0 .. t-1.
        causal: a token sees itself and what stands before it, so that the next one can be predicted.
        positions: flat indices row * t + column; only these hidden states are computed and returned, (n, d). In the last
            block nobody else's output layer and feed-forward are needed: their keys and values are.

        Raises ValueError for a wrong shape, a row longer than ``max_len``, or an id outside the vocabulary.
        """
        self._check(input_ids, token_type_ids)
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)  # (t,)
        if self.variable_length and segment_ids is not None and not causal and not self._drops():
            mask = document_bounds(segment_ids)
        else:
            mask = attention_mask(input_ids, segment_ids, causal)
        x = self.embedding(input_ids, position_ids, token_type_ids)
        rotary = None
        if self.config.positions == "rotary":
            cos, sin = rotary_angles(position_ids, self.config.d_head, self.config.rotary_base)
            rotary = (
                (cos, sin) if cos.ndim == 2 else (cos[:, None], sin[:, None])
            )  # (b, 1, t, k): same for all heads
        for block in self.blocks[:-1]:
            x = block(x, mask, rotary)
        return self.final_norm(self.blocks[-1](x, mask, rotary, positions))

    def _drops(self) -> bool:
        """Whether attention weights are dropped now; only the masked kernel can."""
        return self.training and self.config.dropout > 0

    def _check(self, input_ids: Tensor, token_type_ids: Tensor | None) -> None:
        if input_ids.ndim != 2:
            raise ValueError(f"input_ids must have shape (rows, tokens), got {tuple(input_ids.shape)}")
        if input_ids.shape[1] > self.config.max_len:
            raise ValueError(
                f"a row has {input_ids.shape[1]} tokens, but max_len is {self.config.max_len}: cut it, or build the "
                "encoder with a larger max_len"
            )
        if token_type_ids is not None and self.embedding.types is None:
            raise ValueError("token_type_ids given, but the encoder has none: build it with n_token_types=2")
        if (
            input_ids.is_cpu and input_ids.numel() and not torch.compiler.is_compiling()
        ):  # free here, a stall on a GPU
            low, high = (int(x) for x in input_ids.aminmax())
            if low < 0 or high >= self.config.vocab_size:
                raise ValueError(
                    f"input_ids holds {low if low < 0 else high}, outside the vocabulary 0 .. {self.config.vocab_size - 1}: "
                    "was the text encoded with another tokenizer?"
                )

    @classmethod
    def from_transformers(cls, model: nn.Module | str) -> Encoder:
        """Our encoder with the weights of a ``transformers`` BERT or ModernBERT (model, folder or hub name)."""
        from .convert import encoder_from_transformers

        return encoder_from_transformers(model)

    def to_transformers(self) -> nn.Module:
        """A ``transformers`` ``BertModel`` or ``ModernBertModel`` with a copy of these weights."""
        from .convert import encoder_to_transformers

        return encoder_to_transformers(self)
