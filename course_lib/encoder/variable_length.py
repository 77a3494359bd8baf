"""Attention inside documents without a mask: the kernel is told where each begins and ends.

    rows (b, t)         [1 1 1 2 2 2 2 2] [3 3 3 3 4 4 4 4]
    bounds              0     3         8         12      16   (16 again and again: constant length)

A mask of (b, t, t) says for every pair of tokens whether it may look, and a kernel with a mask
computes the pairs that may not all the same. With the bounds only the pairs inside documents are
computed: the sum of the squared lengths in place of b t^2. How much that saves depends on the text:
nearly nothing where documents are longer than rows, half of the pairs where two share each row. The
larger gain on a GPU is that a mask rules FlashAttention out, and bounds do not: one call of its
variable-length kernel. On a CPU it is a loop over documents, which is what the kernel's result is
tested against.

The kernel needs torch 2.10, 16-bit numbers and a GPU of compute capability 8.0. Where one of them
is missing, attention goes through a mask that is made from the bounds: the same numbers in the same
format, more slowly, and a warning says which of the three it was.

``document_bounds`` never waits for the device and its shape does not depend on the batch, so that a
compiled model is compiled once: bounds that are not needed lie at the end, where documents of
length 0 cost nothing.

Cost: 4 d (sum of squared lengths) operations a layer. Sources: Dao et al. 2022 (arXiv:2205.14135),
Warner et al. 2024 (arXiv:2412.13663, unpadding once, before the embedding).

>>> document_bounds(torch.tensor([[1, 1, 1, 2], [1, 1, 0, 0]]), capacity=6).starts.tolist()
[0, 3, 4, 6, 8, 8, 8]
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

HAS_KERNEL = importlib.util.find_spec("torch.nn.attention.varlen") is not None


class Bounds(NamedTuple):
    """starts: where each document begins in the flattened batch, then its end, int32, capacity + 1.

    longest: tokens in a row; no document is longer.
    """

    starts: Int[Tensor, " n"]
    longest: int


def document_bounds(segment_ids: Int[Tensor, "b t"], capacity: int | None = None) -> Bounds:
    """The bounds of the documents of a batch; padding (segment 0) counts as a document of its own.

    capacity: most documents in the batch. The default holds every batch of packed rows, whose
        documents have at least three tokens ([CLS], one token, [SEP]) but for the two that the
        edges of a row cut.
    Raises ValueError if there are more (on a CPU; on a GPU looking would stall the device).
    """
    rows, width = segment_ids.shape
    capacity = rows * (width // 3 + 2) if capacity is None else capacity
    begins = torch.ones_like(segment_ids, dtype=torch.bool)
    begins[:, 1:] = segment_ids[:, 1:] != segment_ids[:, :-1]
    number = begins.flatten().cumsum(0) - 1  # of each token's document
    if segment_ids.is_cpu and not torch.compiler.is_compiling() and int(number[-1]) >= capacity:
        raise ValueError(
            f"the batch has {int(number[-1]) + 1} documents, capacity is {capacity}: raise it"
        )
    place = torch.arange(rows * width, device=segment_ids.device, dtype=torch.int32)
    starts = torch.full((capacity + 1,), rows * width, device=segment_ids.device, dtype=torch.int32)
    return Bounds(starts.scatter_reduce_(0, number, place, "amin"), width)


def varlen_attention(
    q: Float[Tensor, "b h t e"],
    k: Float[Tensor, "b h t e"],
    v: Float[Tensor, "b h t e"],
    bounds: Bounds,
) -> Float[Tensor, "b h t e"]:
    """softmax(Q K^T / sqrt(e)) V inside each document."""
    b, h, t, e = q.shape
    q, k, v = (x.transpose(1, 2).reshape(b * t, h, e) for x in (q, k, v))  # one long row of tokens
    if not q.is_cuda:
        mixed = _loop(q, k, v, bounds)
    elif reason := why_no_kernel(q.dtype, torch.cuda.get_device_capability(q.device)):
        if not torch.compiler.is_compiling():
            warnings.warn(f"attention goes through a mask, which is slower: {reason}", stacklevel=2)
        mixed = _masked(q, k, v, bounds)
    else:
        mixed = _flash(q, k, v, bounds)
    return mixed.view(b, t, h, e).transpose(1, 2)


def why_no_kernel(dtype: torch.dtype, capability: tuple[int, int]) -> str | None:
    """Why the variable-length kernel can't be had here, and what to do; None where it can."""
    if not HAS_KERNEL:
        return f"torch {torch.__version__} has no variable-length kernel; install 2.10 or newer"
    if capability < (8, 0):
        return (
            f"the kernel needs compute capability 8.0, this GPU has {capability[0]}.{capability[1]}"
        )
    if dtype not in (torch.float16, torch.bfloat16):
        return f"the kernel takes 16-bit numbers, got {dtype}; use precision bf16 or fp16"
    return None


def _flash(q: Tensor, k: Tensor, v: Tensor, bounds: Bounds) -> Tensor:
    """FlashAttention's kernel."""
    from torch.nn.attention.varlen import varlen_attn

    starts, longest = bounds
    # it gives more than a tensor only where that is asked for
    return cast(Tensor, varlen_attn(q, k, v, starts, starts, longest, longest))


def _masked(q: Tensor, k: Tensor, v: Tensor, bounds: Bounds) -> Tensor:
    """All pairs of a row, those across documents hidden. It never waits for the device."""
    tokens, width = q.shape[0], bounds.longest
    place = torch.arange(tokens, device=q.device, dtype=bounds.starts.dtype)
    # of each token's document, by row
    number = torch.searchsorted(bounds.starts, place, right=True).view(-1, width)
    mask = (number[:, :, None] == number[:, None, :])[:, None]
    rows = (x.view(-1, width, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))
    mixed = F.scaled_dot_product_attention(*rows, attn_mask=mask)
    return mixed.transpose(1, 2).reshape(q.shape)


def _loop(q: Tensor, k: Tensor, v: Tensor, bounds: Bounds) -> Tensor:
    """Document by document."""
    sizes = [n for n in bounds.starts.diff().tolist() if n]
    # (h, n, e) each
    parts = zip(*(x.transpose(0, 1).split(sizes, dim=1) for x in (q, k, v)), strict=True)
    mixed = torch.cat([F.scaled_dot_product_attention(*part) for part in parts], dim=1)
    return mixed.transpose(0, 1)
