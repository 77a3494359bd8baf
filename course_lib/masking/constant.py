"""Masking with a constant count: every batch has exactly k predicted tokens, so no shape changes.

``mask_tokens`` takes each token by its own draw, and the number of targets differs from batch to
batch: 292, 307, 311. On a CPU nobody minds. On a GPU each new shape may be a new kernel to compile
and new memory to find. Here the k tokens with the lowest of independent draws are taken, from the
whole batch at once:

    P(token i is predicted) = k / m,    m: ordinary tokens of the batch

which is sampling without replacement: the same rate for each token, a fixed sum, and a correlation
of -1 / (m - 1) between two of them. A row may by chance give none; there are others in the batch.
Words and spans have no constant count, so the unit is the token.

Cost: that of ``mask_tokens`` and one partial sort of the batch's draws. Source: the count is
constant in BERT's own data files too, a row at a time (Devlin et al. 2019,
``max_predictions_per_seq`` of its code).

>>> special = torch.tensor([True] * 5 + [False] * 95)
>>> rows = torch.tensor([[2, 50, 51, 52, 53, 3], [2, 60, 61, 3, 0, 0]])
>>> masked = mask_constant(rows, 2, MaskPolicy(), mask_id=4, vocab_size=100, special_mask=special,
...                        generator=torch.Generator().manual_seed(0))
>>> int((masked.labels != -100).sum())
2
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from course_lib.batch import IGNORE

from .policy import MaskPolicy
from .tokens import Masked, check_arguments, replace_answers


def mask_constant(
    input_ids: Int[Tensor, "b t"],
    count: int,
    policy: MaskPolicy,
    *,
    mask_id: int,
    vocab_size: int,
    special_mask: Bool[Tensor, " v"],
    generator: torch.Generator,
) -> Masked:
    """Corrupt exactly ``count`` ordinary tokens of the batch; ``input_ids`` itself is not changed.

    policy: its shares of [MASK], random and kept tokens count; its ``rate`` does not. Other
        arguments and errors as in ``mask_tokens``; ValueError too for a unit other than "token", or
        if the batch has fewer ordinary tokens.
    """
    if policy.unit != "token":
        raise ValueError(
            f'a constant count needs unit="token", got {policy.unit!r}: words have no fixed length'
        )
    check_arguments(input_ids, policy, mask_id, vocab_size, special_mask, None)
    ordinary = ~special_mask[input_ids.reshape(-1)]
    most = int(ordinary.sum())
    if not 1 <= count <= most:
        raise ValueError(f"count must be from 1 to the batch's {most} ordinary tokens, got {count}")
    draw = torch.rand(input_ids.numel(), generator=generator, device=generator.device)
    lowest = draw.masked_fill_(~ordinary, 2.0).topk(count, largest=False, sorted=False)
    where = lowest.indices.sort().values
    answers = input_ids.reshape(-1)[where]
    special_ids = special_mask.nonzero().flatten()
    corrupted, labels = input_ids.clone(), torch.full_like(input_ids, IGNORE)
    shown = replace_answers(answers, policy, mask_id, special_ids, vocab_size, generator)
    corrupted.view(-1)[where] = shown
    labels.view(-1)[where] = answers
    return Masked(corrupted, labels)
