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
  ``encoder.variable_length = True`` the kernel gets the documents' bounds in place of a mask (``variable_length``): the same
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

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .config import EncoderConfig
from .dropout import Dropout, attention_with_dropout
from .positions import rotary_angles, rotate, sinusoids
from .variable_length import Bounds, document_bounds, varlen_attention


def _norm(config: EncoderConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=config.bias)


def _embedding_std(config: EncoderConfig) -> float:
    """An embedding is normalised as soon as it is looked up: its scale matters only where the tied table scores the
    output, and there it is small, so that an untrained model says next to nothing."""
    return min(0.02, config.init_std)


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
