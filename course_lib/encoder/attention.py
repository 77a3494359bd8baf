"""Attention: each token's vector becomes a mixture of what the tokens that it may see have to say.

    attention(x) = softmax(Q K^T / sqrt(d / h) + mask) V,   Q, K, V = x W_q, x W_k, x W_v

Choices, and what each costs:

* Q, K and V are three layers, not one fused layer: clearer, and methods such as LoRA can name them.
  On two CPU cores the three were no slower than the fused one.
* ``scaled_dot_product_attention`` never writes the (t, t) weights to memory where the device has a
  fused kernel.
* Documents that share a row do not see each other: the mask is ``segment_ids[i] ==
  segment_ids[j]``. Padding is segment 0 and looks at padding only, so no row of the softmax is
  empty and no NaN can arise. Given the documents' bounds in place of a mask (``variable_length``),
  nothing is computed across documents; that is not for dropout in attention.

Cost: 8 d^2 + 4 T d floating-point operations a token (d: width, T: tokens in the row).

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.

>>> config = EncoderConfig.modern(vocab_size=100, n_layers=1, d_model=32, n_heads=4)
>>> Attention(config)(torch.randn(2, 5, 32), mask=None, rotary=None).shape
torch.Size([2, 5, 32])
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .config import EncoderConfig
from .dropout import attention_with_dropout
from .positions import rotate
from .variable_length import Bounds, varlen_attention


def attention_mask(
    input_ids: Int[Tensor, "b t"], segment_ids: Int[Tensor, "b t"] | None, causal: bool
) -> Bool[Tensor, "... t t"] | None:
    """Which token (row) may look at which (column): its own document, if causal not its future.

    ``None`` where all may look at all. Every token may look at itself, so no row of the softmax is
    empty.

    >>> mask = attention_mask(torch.tensor([[5, 6, 7]]), torch.tensor([[1, 2, 2]]), causal=True)
    >>> mask.int().squeeze().tolist()
    [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    """
    mask = None
    if segment_ids is not None:
        mask = segment_ids[:, None, :, None] == segment_ids[:, None, None, :]  # (b, 1, t, t)
    if not causal:
        return mask
    t = input_ids.shape[1]
    past = torch.ones(t, t, dtype=torch.bool, device=input_ids.device).tril()  # (t, t)
    return past if mask is None else mask & past


def only_at(
    positions: Int[Tensor, " n"] | None, x: Float[Tensor, "b t d"]
) -> Float[Tensor, "b t d"] | Float[Tensor, "n d"]:
    """The vectors at ``positions`` (flat indices row * t + column), (n, d); ``None`` leaves all."""
    return x if positions is None else x.flatten(0, 1).index_select(0, positions)


class Attention(nn.Module):
    """Multi-head self-attention; see the formula at the top of the file."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        d = config.d_model
        self.n_heads, self.dropout = config.n_heads, config.dropout
        self.query, self.key, self.value, self.output = (
            nn.Linear(d, d, bias=config.bias) for _ in range(4)
        )

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        mask: Bool[Tensor, "... t t"] | Bounds | None,
        rotary: tuple[Tensor, Tensor] | None,
        positions: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "b t d"] | Float[Tensor, "n d"]:
        """Each token's mixture of the values that it may see.

        positions: flat indices row * t + column; only there, if given.
        """
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
        return self.output(only_at(positions, mixed.transpose(1, 2).reshape(b, t, d)))
