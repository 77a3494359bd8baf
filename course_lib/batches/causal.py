"""Batches for a left-to-right model, by number: rows unmasked, each token asked for the next one.

    labels[i] = x[i + 1] inside a document, -100 at its end

The rows, their shuffle and the seeking are those of ``batches.MLMStream``, so a masked and a causal
model can be trained on exactly the same rows in the same order; the causal one learns from (almost)
every token, the masked one from the masked 15 %.

Cost: O(batch) for any step.

>>> rows = torch.tensor([[2, 7, 3, 2, 8]])  # [CLS] a [SEP] [CLS] b
>>> segment_ids, _ = segments(rows.numpy(), cls_id=2)
>>> next_token_batch(rows, segment_ids=torch.from_numpy(segment_ids)).labels.tolist()
[[7, 3, -100, 8, -100]]
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.batch import IGNORE, Batch

from .packing import segments
from .stream import MLMStream


@dataclass(frozen=True)
class CausalStream:
    """``stream.batch(step)`` for ``CausalLM`` and ``train``.

    rows: a stream of masked batches, of which only the rows are taken; its masking policy has no
        effect.
    """

    rows: MLMStream

    def batch(self, step: int) -> Batch:
        """The batch of a step; the same for the same (seed, step), whatever was asked before."""
        ids: np.ndarray = self.rows.token_rows(step)
        if not self.rows.respect_documents:
            return next_token_batch(torch.from_numpy(ids))
        segment_ids, position_ids = segments(ids, self.rows.tokenizer.cls_id)
        return next_token_batch(
            torch.from_numpy(ids),
            segment_ids=torch.from_numpy(segment_ids),
            position_ids=torch.from_numpy(position_ids),
        )

    @property
    def fingerprint(self) -> str:
        """Changes with anything that changes a batch, and is not that of the masked stream."""
        return hashlib.sha256(f"causal {self.rows.fingerprint}".encode()).hexdigest()[:16]


def next_token_batch(
    input_ids: Int[Tensor, "b t"],
    *,
    segment_ids: Int[Tensor, "b t"] | None = None,
    position_ids: Int[Tensor, "b t"] | None = None,
) -> Batch:
    """Rows of text as a batch for ``CausalLM``: ``labels[i]`` is the token at i + 1.

    The last token of a row, the last of a document and padding (segment 0) have nothing to predict:
    -100.

    >>> rows, documents = torch.tensor([[2, 7, 3, 2, 8]]), torch.tensor([[1, 1, 1, 2, 2]])
    >>> next_token_batch(rows, segment_ids=documents).labels.tolist()
    [[7, 3, -100, 8, -100]]
    """
    labels = torch.full_like(input_ids, IGNORE)
    labels[:, :-1] = input_ids[:, 1:]
    if segment_ids is not None:
        # (b, t - 1)
        inside = (segment_ids[:, 1:] == segment_ids[:, :-1]) & (segment_ids[:, 1:] != 0)
        labels[:, :-1].masked_fill_(~inside, IGNORE)
    return Batch(input_ids, labels, segment_ids, position_ids)
