"""Batches of labelled rows, by number, with little padding.

An epoch holds every row once. Its order is made in three steps, all of them functions of (seed,
epoch) alone:

    shuffle all rows  ->  sort each pool of ``pool`` batches by length, cut it into batches
                      ->  shuffle the batches

Rows of like length come together, so little is padded; which rows these are, and when they come,
still changes in every epoch. ``pool=1`` is the plain random order. On the film reviews nearly half
of all that is computed in the plain order is padding, in pools of 16 batches of 32 some six per
cent (``padding_share``).

The last batch of an epoch is smaller where the numbers do not divide, and no row is seen twice for
it.

Cost: sorting n numbers once an epoch; a batch costs O(batch), for any step.

>>> from course_lib.finetuning.rows import Row
>>> rows = [Row((2,) * n, labels=(0,) + (-100,) * (n - 1)) for n in (3, 9, 4, 8, 3)]
>>> stream = TaskStream(tuple(rows), batch_size=2)
>>> stream.steps_per_epoch, sum(len(stream.batch(s).input_ids) for s in range(3))
(3, 5)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from course_lib.batch import Batch
from course_lib.batches import seed_of, shuffled
from course_lib.settings import settle

from .rows import Row, padded


@dataclass(frozen=True)
class TaskStream:
    """``stream.batch(step)`` for ``train``.

    rows: from ``encode_examples``.  batch_size: rows in a batch.  seed: of the order.  pad_id: the
        filler.
    pool: how many batches are sorted by length together.  about: anything else that the fingerprint
        must change with.

    Raises ValueError for no rows, or a size below 1.
    """

    rows: tuple[Row, ...]
    batch_size: int = 32
    seed: int = 0
    pad_id: int = 0
    pool: int = 16
    about: str = ""
    _epochs: dict[int, list[np.ndarray]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self)
        if not self.rows:
            raise ValueError("no rows to train on")
        for name in ("batch_size", "pool"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.rows) // self.batch_size)

    def order(self, epoch: int) -> list[np.ndarray]:
        """The row numbers of each batch of an epoch."""
        if epoch not in self._epochs:
            self._epochs.clear()
            self._epochs[epoch] = self._plan(epoch)
        return self._epochs[epoch]

    def _plan(self, epoch: int) -> list[np.ndarray]:
        n, size = len(self.rows), self.batch_size
        lengths = np.array([len(row) for row in self.rows])
        places = shuffled(np.arange(n), n, seed_of("rows", self.seed, epoch))
        batches = []
        for start in range(0, n, size * self.pool):
            chosen = places[start : start + size * self.pool]
            chosen = chosen[np.argsort(-lengths[chosen], kind="stable")]
            batches += [chosen[i : i + size] for i in range(0, len(chosen), size)]
        turn = shuffled(np.arange(len(batches)), len(batches), seed_of("batches", self.seed, epoch))
        return [batches[i] for i in turn]

    def batch(self, step: int) -> Batch:
        """The batch of a step; the same for the same (seed, step), whatever was asked before."""
        if step < 0:
            raise ValueError(f"step must not be negative, got {step}")
        epoch, within = divmod(step, self.steps_per_epoch)
        return padded([self.rows[i] for i in self.order(epoch)[within]], self.pad_id)

    @property
    def fingerprint(self) -> str:
        """Changes with anything that changes a batch; a resumed run checks it."""
        settings = [self.batch_size, self.seed, self.pad_id, self.pool, self.about]
        digest = hashlib.sha256(json.dumps(settings).encode())
        for row in self.rows:
            digest.update(json.dumps([row.ids, row.labels, row.types]).encode())
        return digest.hexdigest()[:16]


def sorted_batches(
    rows: Sequence[Row], batch_size: int = 64, pad_id: int = 0
) -> tuple[list[Batch], list[int]]:
    """All rows in order of length, for evaluation, and the place of each: batch rows, one after the
    other, are ``rows[place[0]], rows[place[1]], ...``.
    """
    place = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    cuts = range(0, len(place), batch_size)
    return [padded([rows[i] for i in place[c : c + batch_size]], pad_id) for c in cuts], place


def padding_share(batches: Sequence[Batch]) -> float:
    """The share of the batches' tokens that are padding: computed, and thrown away.

    >>> padding_share([padded([Row((2, 7, 3, 9), (1,) * 4), Row((2, 3), (0,) * 2)])])
    0.25
    """
    real = sum(
        int(b.n_tokens if b.segment_ids is None else (b.segment_ids != 0).sum()) for b in batches
    )
    return 1 - real / sum(batch.n_tokens for batch in batches)
