"""Dropout that costs little on a processor.

    y_i = x_i k_i / (1 - p),    k_i = 0 with probability p, else 1        (in training; else y = x)

PyTorch draws one random float for each k_i on a CPU, one after the other, and in fine-tuning a
small encoder with LoRA that was a fifth of the whole step. A k_i needs no 32 random bits. Here one
draw of 64 bits is cut into four numbers of 16, so p is rounded to a multiple of 2^-16 (0.1 becomes
0.100006), and what is kept is scaled for the rounded p. On other devices ``F.dropout`` does it.

All randomness comes from PyTorch's global generator, as in ``F.dropout``, so that a resumed run
drops what it would have dropped.

Cost: one 64-bit draw for four numbers, and one more array of the size of x until the backward pass.

Source: Srivastava et al. 2014 (jmlr.org/papers/v15/srivastava14a.html).

>>> _ = torch.manual_seed(0)
>>> dropout(torch.ones(8), 0.5).tolist()
[0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

_LEVELS = 2**16


def dropout(x: Float[Tensor, ...], p: float, training: bool = True) -> Float[Tensor, ...]:
    """Zero each number with probability ``p``, 0 <= p < 1; scale the others, so the mean stays."""
    if not training or p == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p)
    dropped = min(round(p * _LEVELS), _LEVELS - 1)
    return x * _kept(x, dropped).mul_(_LEVELS / (_LEVELS - dropped))


def _kept(x: Tensor, dropped: int) -> Tensor:
    """1 where a number stays, in the dtype of x.

    Signed 16-bit numbers: the lowest ``dropped`` of all values drop.
    """
    n = x.numel()
    draws = torch.empty(-(-n // 4), dtype=torch.int64).random_(-(2**63), None)  # all 64 bits
    lanes = draws.view(torch.int16)[:n].view(x.shape)
    kept = torch.empty_like(x, memory_format=torch.contiguous_format)
    return torch.ge(lanes, dropped - _LEVELS // 2, out=kept)


class Dropout(nn.Module):
    """``dropout`` as a layer, off in evaluation. Raises ValueError unless 0 <= p < 1."""

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p must be in [0, 1), got {p}")
        self.p = p

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """See ``dropout``."""
        return dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The rate, for print."""
        return f"p={self.p}"


def attention_with_dropout(
    query: Float[Tensor, "b h t e"],
    key: Float[Tensor, "b h s e"],
    value: Float[Tensor, "b h s f"],
    attn_mask: Bool[Tensor, "... t s"] | None = None,
    dropout_p: float = 0.0,
) -> Float[Tensor, "b h t f"]:
    """``scaled_dot_product_attention`` step by step, with ``dropout`` on its weights.

    PyTorch's own has no fused kernel for dropout on a CPU and does the same steps, with the slower
    draws. A TorchFunctionMode that is active sees this call as it would see PyTorch's
    (``peft.prefix`` listens).
    """
    if has_torch_function((query, key, value)):
        return handle_torch_function(
            attention_with_dropout,
            (query, key, value),
            query=query,
            key=key,
            value=value,
            attn_mask=attn_mask,
            dropout_p=dropout_p,
        )
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)  # (b, h, t, s)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    return dropout(scores.softmax(dim=-1), dropout_p) @ value
