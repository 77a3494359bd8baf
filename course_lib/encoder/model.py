"""One Transformer encoder, in two dress codes: BERT's of 2018 and the modern one.

Every block adds two corrections to a stream of vectors, one by looking at the other tokens
(attention) and one by thinking about each token alone (feed-forward):

    post-norm (BERT):    x = norm(x + attention(x));   x = norm(x + feed_forward(x))
    pre-norm (modern):   x = x + attention(norm(x));   x = x + feed_forward(norm(x))

Choices, and what each costs (those of attention itself are in ``attention``):

* With ``encoder.variable_length = True`` attention's kernel gets the documents' bounds in place of
  a mask (``variable_length``): the same result, and nothing computed across documents; it is not
  for dropout in attention.
* Rotary positions (``positions="rotary"``) have no parameters and depend on distances only.
  Sinusoidal ones have none either; they are added to the token's vector once, at the bottom.

A forward pass costs 2N + 4TdL floating-point operations a token (N: weights in the blocks,
T: tokens in the row, d: width, L: layers).

Sources: Vaswani et al. 2017 (arXiv:1706.03762), Devlin et al. 2019 (arXiv:1810.04805), Su et al.
2021 (arXiv:2104.09864, rotary positions), Shazeer 2020 (arXiv:2002.05202, gated feed-forward),
Warner et al. 2024 (arXiv:2412.13663, ModernBERT: the shape of ``EncoderConfig.modern``).

>>> config = EncoderConfig.modern(vocab_size=100, n_layers=2, d_model=32, n_heads=4)
>>> Encoder(config)(torch.tensor([[2, 50, 60, 3]])).shape
torch.Size([1, 4, 32])
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from .attention import Attention, attention_mask, only_at
from .config import EncoderConfig
from .convert import check_plain, read_encoder, write_encoder
from .dropout import Dropout
from .positions import rotary_angles, sinusoids
from .variable_length import Bounds, document_bounds


def _norm(config: EncoderConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=config.bias)


def _embedding_std(config: EncoderConfig) -> float:
    """Small, so that an untrained model says next to nothing.

    An embedding is normalised as soon as it is looked up: its scale matters only where the tied
    table scores the output.
    """
    return min(0.02, config.init_std)


class Embedding(nn.Module):
    """Token vectors, plus learned positions and token types where there are any, normalised."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        learned = config.positions == "learned"
        self.positions = nn.Embedding(config.max_len, config.d_model) if learned else None
        # Waves have root mean square 1 / sqrt(2), new token vectors init_std: unscaled, they would
        # drown the tokens.
        waves = config.positions == "sinusoidal"
        self.waves = math.sqrt(2) * _embedding_std(config) if waves else 0.0
        types = config.n_token_types
        self.types = nn.Embedding(types, config.d_model) if types else None
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


class FeedForward(nn.Module):
    """Two linear layers with GELU between them; with a gate, the inner vector is act(a) * g."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.gated = config.gated
        inner = config.d_ff * (2 if config.gated else 1)
        self.inner = nn.Linear(config.d_model, inner, bias=config.bias)
        self.output = nn.Linear(config.d_ff, config.d_model, bias=config.bias)

    def forward(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
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
        # In a pre-norm stack the embedding is normalised already: a second norm before block 0
        # would do nothing new.
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
        stream = only_at(positions, x)
        if self.pre:
            seen = self.attention(self.attention_norm(x), mask, rotary, positions)
            x = stream + self.dropout(seen)
            return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        x = self.attention_norm(stream + self.dropout(self.attention(x, mask, rotary, positions)))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


class Encoder(nn.Module):
    """Token ids in, one vector per token out.

    >>> config = EncoderConfig.bert(vocab_size=50, n_layers=1, d_model=8, n_heads=2, dropout=0.0)
    >>> encoder = Encoder(config)
    >>> encoder(torch.tensor([[2, 7, 3]]), segment_ids=torch.tensor([[1, 1, 1]])).shape
    torch.Size([1, 3, 8])
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config, self.variable_length = config, False
        self.embedding = Embedding(config)
        blocks = [Block(config, layer) for layer in range(config.n_layers)]
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = _norm(config) if config.norm == "pre" else nn.Identity()
        self.apply(self._init)
        # 2L additions to the stream: keep its variance from growing with depth (GPT-2)
        std = config.init_std / math.sqrt(2 * config.n_layers)
        for block in blocks:
            for layer in (block.attention.output, block.feed_forward.output):
                nn.init.trunc_normal_(layer.weight, std=std)

    def _init(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            linear = isinstance(module, nn.Linear)
            std = self.config.init_std if linear else _embedding_std(self.config)
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(
        self,
        input_ids: Int[Tensor, "b t"],
        *,
        segment_ids: Int[Tensor, "b t"] | None = None,
        position_ids: Int[Tensor, "*b t"] | None = None,
        token_type_ids: Int[Tensor, "b t"] | None = None,
        causal: bool = False,
        positions: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "b t d"] | Float[Tensor, "n d"]:
        """Hidden states after the last block.

        segment_ids: 0 on padding, a number per document elsewhere; ``None`` lets every token see
            every token.
        position_ids: ``None`` means 0 .. t-1.
        causal: a token sees itself and what stands before it, so that the next one can be
            predicted.
        positions: flat indices row * t + column; only these hidden states are computed and
            returned, (n, d). In the last block nobody else's output layer and feed-forward are
            needed: their keys and values are.

        Raises ValueError for a wrong shape, a row longer than ``max_len``, or an id outside the
        vocabulary.
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
            # (b, 1, t, k): same for all heads
            rotary = (cos, sin) if cos.ndim == 2 else (cos[:, None], sin[:, None])
        for block in self.blocks[:-1]:
            x = block(x, mask, rotary)
        return self.final_norm(self.blocks[-1](x, mask, rotary, positions))

    def _drops(self) -> bool:
        """Whether attention weights are dropped now; only the masked kernel can."""
        return self.training and self.config.dropout > 0

    def _check(self, input_ids: Tensor, token_type_ids: Tensor | None) -> None:
        if input_ids.ndim != 2:
            raise ValueError(
                f"input_ids must have shape (rows, tokens), got {tuple(input_ids.shape)}"
            )
        if input_ids.shape[1] > self.config.max_len:
            raise ValueError(
                f"a row has {input_ids.shape[1]} tokens, but max_len is {self.config.max_len}: cut "
                "it, or build the encoder with a larger max_len"
            )
        if token_type_ids is not None and self.embedding.types is None:
            raise ValueError(
                "token_type_ids given, but the encoder has none: build it with n_token_types=2"
            )
        # free here, a stall on a GPU
        if input_ids.is_cpu and input_ids.numel() and not torch.compiler.is_compiling():
            low, high = (int(x) for x in input_ids.aminmax())
            if low < 0 or high >= self.config.vocab_size:
                raise ValueError(
                    f"input_ids holds {low if low < 0 else high}, outside the vocabulary 0 .. "
                    f"{self.config.vocab_size - 1}: was the text encoded with another tokenizer?"
                )

    @classmethod
    def from_transformers(cls, model: nn.Module | str) -> Encoder:
        """Our encoder with the weights of a ``transformers`` BERT or ModernBERT.

        model: the model, a folder, or a name on the hub; of a model with a head, the encoder.
        """
        config, state, training = read_encoder(model)
        encoder = cls(config)
        encoder.load_state_dict(state)
        return encoder.train(training)

    def to_transformers(self) -> nn.Module:
        """A ``transformers`` ``BertModel`` or ``ModernBertModel`` with a copy of these weights."""
        check_plain(self)
        return write_encoder(self.config, self.state_dict()).train(self.training)
