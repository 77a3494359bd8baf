"""Corruption for replaced-token detection: some tokens give way to others, and labels say which.

    with probability r:    token x_i  ->  a token drawn from q
                           y_i = 1 if the drawn token differs from x_i, else 0

q is here the unigram distribution: a generator that knows nothing of the context. ELECTRA draws
from a small masked language model instead, whose replacements are harder to find; the labels are
made in the same way. A draw that hits the old token by chance is *not* a replacement, so the share
of ones is r (1 - sum over x of p(x) q(x)), below r.

Cost: one uniform draw per token, one draw from q per taken token. Source: Clark et al. 2020
(arXiv:2003.10555), section 2.

>>> special = torch.tensor([True] * 5 + [False] * 95)
>>> rows, generator = torch.tensor([[2, 50, 51, 52, 3]]), torch.Generator().manual_seed(0)
>>> batch = replace_tokens(rows, rate=1.0, frequencies=torch.ones(100), special_mask=special,
...                        generator=generator)
>>> batch.input_ids[0, [0, 4]].tolist(), batch.labels[0].tolist()
([2, 3], [-100, 1, 1, 1, -100])
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.batch import IGNORE, Batch


def replace_tokens(
    input_ids: Int[Tensor, "b t"],
    *,
    frequencies: Float[Tensor, " v"],
    special_mask: Bool[Tensor, " v"],
    generator: torch.Generator,
    rate: float = 0.15,
    segment_ids: Int[Tensor, "b t"] | None = None,
    position_ids: Int[Tensor, "b t"] | None = None,
) -> Batch:
    """Replace a share of the ordinary tokens by draws from ``frequencies``, in a copy.

    frequencies: weight of each token as a replacement, not negative, any scale; special ids are
        never drawn.
    special_mask: True for the ids that are neither replaced nor judged: their label is -100.
    rate: share of the ordinary tokens for which a replacement is drawn, in (0, 1].

    Returns the batch for ``objectives.ReplacedToken``. Raises ValueError for a rate outside its
    range, tables of different lengths, or if no ordinary token has a positive weight.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"rate must be in (0, 1], got {rate}: it is a share, 0.15 for 15 %")
    if frequencies.shape != special_mask.shape:
        want, got = tuple(special_mask.shape), tuple(frequencies.shape)
        raise ValueError(f"frequencies must have one entry per token, shape {want}, got {got}")
    weights = frequencies.float().masked_fill(special_mask, 0.0)
    if not weights.sum() > 0:
        raise ValueError(
            "no ordinary token has a positive frequency: count the training text's tokens first"
        )
    ordinary = ~special_mask[input_ids]  # (b, t)
    taken = (torch.rand(input_ids.shape, generator=generator) < rate) & ordinary
    corrupted = input_ids.clone()
    if n := int(taken.sum()):
        corrupted[taken] = torch.multinomial(weights, n, replacement=True, generator=generator)
    labels = (corrupted != input_ids).long().masked_fill(~ordinary, IGNORE)
    return Batch(corrupted, labels, segment_ids, position_ids)
