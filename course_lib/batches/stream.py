"""A stream of batches that can seek: what comes at a step is a function of (seed, step) alone.

What came before does not matter. A run that is killed at step 10 000 goes on with exactly the
batches that it would have seen, without reading the first 10 000 again. Three ideas make it so:

* An *indexable shuffle*. A Feistel network is a bijection of the row numbers 0 .. n-1 that is
  computed entry by entry: the row at place i of a shuffled epoch costs the same for the first and
  for the billionth.
* A *generator per step*, seeded with (seed, epoch, step), draws the masks of the whole batch.
  Processes that share the batch cut their rows from the same masked whole, so their number changes
  nothing.
* A new *offset* in each epoch moves the cuts between rows, so that an epoch does not repeat the
  same rows.

Cost: O(batch) for any step. Sources: Luby & Rackoff 1988 (doi:10.1137/0217022) for Feistel networks
as permutations; Liu et al. 2019 (arXiv:1907.11692) for masks drawn anew in each epoch.

>>> sorted(shuffled(np.arange(10), 10, key=3).tolist())
[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Protocol, TypedDict

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from course_lib.batch import Batch
from course_lib.masking import MaskPolicy, mask_constant, mask_tokens
from course_lib.settings import settle
from course_lib.tokenization import Tokenizer

from .encoded import TokenArray
from .packing import segments
from .shuffling import generator_for, seed_of, shuffled


class Stream(Protocol):
    """Batches by number. ``fingerprint`` changes with anything that changes a batch."""

    @property
    def fingerprint(self) -> str:
        """A short hash; a run that is resumed asks whether it is the one of before."""
        ...

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0.

        It must depend on the step alone, so that a run can be resumed.
        """
        ...


@dataclass(frozen=True)
class MLMStream:
    """Masked batches of packed rows, by number: ``stream.batch(step)``.

    tokens: from ``encode_corpus``.  seq_len: tokens in a row.  batch_size: rows in a batch.
    respect_documents: attention and positions stop at document boundaries.
    targets: predict exactly so many tokens of each batch (``masking.constant``); no shape then ever
        changes.

    Raises ValueError if the corpus is shorter than one batch.
    """

    tokens: TokenArray
    tokenizer: Tokenizer
    seq_len: int = 128
    batch_size: int = 32
    policy: MaskPolicy = field(default_factory=MaskPolicy)
    seed: int = 0
    respect_documents: bool = True
    targets: int | None = None

    def __post_init__(self) -> None:
        settle(self)
        for name in ("seq_len", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.n_rows < self.batch_size:
            raise ValueError(
                f"the corpus has {len(self.tokens)} tokens, too few for one batch of "
                f"{self.batch_size} rows of {self.seq_len}: take a smaller batch_size or seq_len, "
                "or more text"
            )

    @property
    def n_rows(self) -> int:
        """Rows in an epoch.

        One row less than would fit: the offset that changes every epoch needs the room.
        """
        return (len(self.tokens) - self.seq_len + 1) // self.seq_len

    def epoch_of(self, step: int) -> int:
        """The epoch to which the first row of this step's batch belongs."""
        return step * self.batch_size // self.n_rows

    def token_rows(self, step: int) -> np.ndarray:
        """The unmasked ids of a step, (b, t) int64."""
        if step < 0:
            raise ValueError(f"step must not be negative, got {step}")
        place = step * self.batch_size + np.arange(self.batch_size)
        epochs, within = place // self.n_rows, place % self.n_rows
        starts = np.empty(self.batch_size, dtype=np.int64)
        for epoch in np.unique(epochs):  # one, or two where an epoch ends inside the batch
            key = seed_of("epoch", self.seed, int(epoch))
            here = epochs == epoch
            row = shuffled(within[here], self.n_rows, key)
            starts[here] = row * self.seq_len + key % self.seq_len
        return self.tokens.tokens[starts[:, None] + np.arange(self.seq_len)].astype(np.int64)

    def batch(self, step: int) -> Batch:
        """The masked batch of a step: the same for one (seed, step), whatever was asked before."""
        return _masked(
            self.token_rows(step),
            self.tokenizer,
            self.policy,
            generator_for(self.seed, self.epoch_of(step), step),
            self.respect_documents,
            self.targets,
        )

    @property
    def fingerprint(self) -> str:
        """Changes with anything that changes a batch; a resumed run checks it."""
        what = [self.tokens.fingerprint, len(self.tokens), self.tokenizer.fingerprint]
        what += [self.seq_len, self.batch_size]
        what += [asdict(self.policy), self.seed, self.respect_documents]
        what += [] if self.targets is None else [self.targets]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


class _Options(TypedDict):
    """What both ways of masking are told, beside the ids and the policy."""

    mask_id: int
    vocab_size: int
    special_mask: Bool[Tensor, " v"]
    generator: torch.Generator


def _masked(
    rows: np.ndarray,
    tokenizer: Tokenizer,
    policy: MaskPolicy,
    generator: torch.Generator,
    respect_documents: bool,
    targets: int | None = None,
) -> Batch:
    ids = torch.from_numpy(rows)
    options = _Options(
        mask_id=tokenizer.mask_id,
        vocab_size=tokenizer.vocab_size,
        special_mask=tokenizer.special_mask,
        generator=generator,
    )
    if targets is None:
        starts, ends = tokenizer.word_start_mask, tokenizer.word_end_mask
        masked = mask_tokens(ids, policy, word_start_mask=starts, word_end_mask=ends, **options)
    else:
        masked = mask_constant(ids, targets, policy, **options)
    if not respect_documents:
        return Batch(masked.input_ids, masked.labels)
    segment_ids, position_ids = segments(rows, tokenizer.cls_id)
    if (
        targets is None and segment_ids.max() == 1
    ):  # every row is one document: no mask needed, and attention without one is faster
        return Batch(masked.input_ids, masked.labels)
    return Batch(
        masked.input_ids,
        masked.labels,
        torch.from_numpy(segment_ids),
        torch.from_numpy(position_ids),
    )


def fixed_batches(
    tokens: TokenArray,
    tokenizer: Tokenizer,
    *,
    seq_len: int = 128,
    batch_size: int = 32,
    policy: MaskPolicy = MaskPolicy(),  # noqa: B008  (frozen)
    seed: int = 0,
    max_tokens: int | None = None,
    respect_documents: bool = True,
) -> list[Batch]:
    """The whole text in order, masked once: the same at every evaluation and for every batch size.

    max_tokens: use only so much of it, in rows spread evenly over the whole: a corpus is often
        stored source by source, and its first tokens are then all of one kind. Raises ValueError if
        there is not one row.
    """
    n_rows = min(len(tokens), max_tokens or len(tokens)) // seq_len
    if n_rows < 1:
        raise ValueError(
            f"the text has {len(tokens)} tokens, too few for one row of {seq_len}: take a smaller "
            "seq_len"
        )
    starts = np.arange(n_rows) * (len(tokens) // seq_len) // n_rows * seq_len
    rows = tokens.tokens[starts[:, None] + np.arange(seq_len)].astype(np.int64)
    whole = _masked(rows, tokenizer, policy, generator_for(seed, 0, 0), respect_documents)
    return [whole.rows(i, min(i + batch_size, n_rows)) for i in range(0, n_rows, batch_size)]
