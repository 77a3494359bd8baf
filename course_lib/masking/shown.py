"""What stands in the input at a token that is asked for: [MASK], the token itself, or another.

Under 80/10/10 a tenth of the targets stand in the input as themselves. A model that copies what it
sees answers these, and has learnt nothing about language. So a loss is read apart:

=============  =========================================================================
``"mask"``     [MASK] is shown: only the neighbours can help. Compare this loss with others
``"itself"``   the right token is shown; the model can't know that, but may guess it
``"another"``  a wrong token is shown, drawn at random
=============  =========================================================================

Cost: a comparison for each target. Source of the three: Devlin et al. 2019 (arXiv:1810.04805),
section 3.1.

>>> shown = torch.tensor([[2, 4, 9, 7, 3]])  # 4 is [MASK]
>>> batch = Batch(shown, labels=torch.tensor([[-100, 8, 9, 9, -100]]))
>>> {name: where.tolist() for name, where in shown_as(batch, mask_id=4).items()}
{'mask': [True, False, False], 'itself': [False, True, False], 'another': [False, False, True]}
>>> targets_shown_as(batch, "mask", mask_id=4).labels.tolist()
[[-100, 8, -100, -100, -100]]
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from course_lib.batch import IGNORE, Batch

SHOWN = ("mask", "itself", "another")


def shown_as(batch: Batch, mask_id: int) -> dict[str, Bool[Tensor, " n"]]:
    """For each of ``SHOWN``, at which of the batch's targets it is what the model sees.

    The targets are in the order of ``batch.target_positions``; each is in exactly one of the three.

    Raises ValueError if the batch has no labels.
    """
    if batch.labels is None or batch.target_positions is None:
        raise ValueError("the batch has no labels: mask it first (course_lib.masking.mask_tokens)")
    positions = batch.target_positions
    shown = batch.input_ids.flatten().index_select(0, positions)
    right = batch.labels.flatten().index_select(0, positions)
    as_mask = shown == mask_id
    as_itself = (shown == right) & ~as_mask
    return {"mask": as_mask, "itself": as_itself, "another": ~(as_mask | as_itself)}


def targets_shown_as(batch: Batch, what: str, mask_id: int) -> Batch:
    """The batch with those targets alone that are shown as ``what``; the input stays as it is.

    Raises ValueError for another word than one of ``SHOWN``, or a batch without labels.
    """
    if what not in SHOWN:
        raise ValueError(f"what must be one of {', '.join(SHOWN)}, got {what!r}")
    keep = shown_as(batch, mask_id)[what]
    assert batch.labels is not None and batch.target_positions is not None
    kept = batch.target_positions[keep]
    labels = torch.full_like(batch.labels, IGNORE).flatten()
    labels[kept] = batch.labels.flatten()[kept]
    return replace(batch, labels=labels.view_as(batch.labels), target_positions=kept)
