"""Ragged rows of tokens in, one masked batch out, padded to the longest row.

    [2 7 9 3]            [2 7 9 3 0 0]    input_ids, some of them masked
    [2 8 3]         ->   [2 8 3 0 0 0]    labels: the right token where one is predicted, else -100
    [2 5 6 7 8 3]        [2 5 6 7 8 3]    segment_ids: 1 on text, 0 on padding

All rows are written into one flat array first and cut apart by arithmetic, so nothing is done row
by row. Packed rows (``batches.encoded``) need none of this and waste nothing; this is for text that
must stay one document a row.

Cost: one pass over the tokens to lay them out, then that of ``mask_tokens``.

>>> pad_rows([[2, 7, 9, 3], [2, 8, 3]], pad_id=0)[0].tolist()
[[2, 7, 9, 3], [2, 8, 3, 0]]
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.batch import Batch
from course_lib.masking import MaskPolicy, mask_tokens
from course_lib.tokenization import Tokenizer


def pad_rows(
    rows: Sequence[Sequence[int]] | Sequence[np.ndarray], pad_id: int
) -> tuple[Int[Tensor, "b t"], Int[Tensor, "b t"]]:
    """The rows as a table, filled up with ``pad_id`` to the longest, and where in it there is text.

    Both int64; the second has 1 where there is text, 0 where padding.

    Raises ValueError if there is no row, or only empty ones.
    """
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    if not lengths.any():
        raise ValueError("rows hold no token: give at least one row of ids")
    if isinstance(rows[0], np.ndarray):
        flat = np.concatenate(rows)
    else:
        flat = np.fromiter(
            itertools.chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum())
        )
    inside = np.arange(lengths.max()) < lengths[:, None]  # (b, t)
    ids = np.full(inside.shape, pad_id, dtype=np.int64)
    ids[inside] = flat
    return torch.from_numpy(ids), torch.from_numpy(inside.astype(np.int64))


def collate(
    rows: Sequence[Sequence[int]] | Sequence[np.ndarray],
    tokenizer: Tokenizer,
    policy: MaskPolicy,
    *,
    generator: torch.Generator,
) -> Batch:
    """A masked batch of rows of ids, padded to the longest; errors as in ``pad_rows``.

    rows: [CLS] and [SEP] included.
    """
    ids, text = pad_rows(rows, tokenizer.pad_id)
    masked = mask_tokens(
        ids,
        policy,
        mask_id=tokenizer.mask_id,
        vocab_size=tokenizer.vocab_size,
        special_mask=tokenizer.special_mask,
        word_start_mask=tokenizer.word_start_mask,
        word_end_mask=tokenizer.word_end_mask,
        generator=generator,
    )
    return Batch(masked.input_ids, masked.labels, text)
