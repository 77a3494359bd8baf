"""The records that travel: a batch of token rows, and a loss that knows how many tokens it counts.

Shape letters, used in every file of the package:

====  =======================================
b     rows in a batch
t     tokens in a row
d     width of the model (``d_model``)
h     attention heads
v     vocabulary size
n     predicted (masked) tokens of a batch
====  =======================================

>>> import torch
>>> batch = Batch(torch.tensor([[2, 7, 4, 3]]), labels=torch.tensor([[-100, -100, 9, -100]]))
>>> batch.target_positions.tolist()
[2]
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TypedDict, cast

import torch
from jaxtyping import Int
from torch import Tensor

# the label of a position at which nothing is predicted, as in torch.nn.functional.cross_entropy
IGNORE = -100
_PER_TOKEN = ("labels", "segment_ids", "position_ids", "token_type_ids")


class Inputs(TypedDict, total=False):
    """What a model may be told about its rows, by keyword; see ``Batch`` for what each means."""

    segment_ids: Int[Tensor, "b t"] | None
    position_ids: Int[Tensor, "b t"] | None
    token_type_ids: Int[Tensor, "b t"] | None


@dataclass(frozen=True)
class Batch:
    """Rows of tokens with what the model must know about them.

    input_ids: what the model sees, int64, (b, t).
    labels: the right token where one must be predicted, ``IGNORE`` elsewhere.
    segment_ids: 0 on padding, 1, 2, ... for the documents of a row; attention stays inside them.
    position_ids: position inside the document; ``None`` means 0 .. t-1 in every row.
    target_positions: flat indices (row * t + column) of the labels that count, (n,). They are found
        here, where the batch is made, because on a GPU looking for them would stall the device in
        every step.
    token_type_ids: 0 in the first sentence of a pair, 1 in the second; ``None`` without pairs.

    Raises ValueError if the shapes differ.
    """

    input_ids: Int[Tensor, "b t"]
    labels: Int[Tensor, "b t"] | None = None
    segment_ids: Int[Tensor, "b t"] | None = None
    position_ids: Int[Tensor, "b t"] | None = None
    target_positions: Int[Tensor, " n"] | None = None
    token_type_ids: Int[Tensor, "b t"] | None = None

    def __post_init__(self) -> None:
        if self.input_ids.ndim != 2:
            raise ValueError(
                f"input_ids must have shape (rows, tokens), got {tuple(self.input_ids.shape)}"
            )
        for name in _PER_TOKEN:
            value = getattr(self, name)
            if value is not None and value.shape != self.input_ids.shape:
                want, got = tuple(self.input_ids.shape), tuple(value.shape)
                raise ValueError(f"{name} must have the shape of input_ids, {want}, got {got}")
        if self.labels is not None and self.target_positions is None:
            positions = (self.labels.flatten() != IGNORE).nonzero().flatten()
            object.__setattr__(self, "target_positions", positions)

    @property
    def n_tokens(self) -> int:
        """Tokens in the batch, padding included."""
        return self.input_ids.numel()

    @property
    def n_targets(self) -> int:
        """Predicted tokens in the batch."""
        return 0 if self.target_positions is None else self.target_positions.numel()

    def inputs(self) -> Inputs:
        """The keywords for a model's call, beside ``input_ids``: those that are not ``None``."""
        given = {
            "segment_ids": self.segment_ids,
            "position_ids": self.position_ids,
            "token_type_ids": self.token_type_ids,
        }
        return cast(Inputs, {name: value for name, value in given.items() if value is not None})

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on ``device``; the copy does not wait for the GPU."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {k: _send(v, torch.device(device)) for k, v in moved.items() if v is not None}
        return replace(self, **moved)

    def rows(self, start: int, stop: int) -> Batch:
        """The rows ``start`` to ``stop`` as a batch of their own."""
        cut = {
            name: value[start:stop]
            for name in ("input_ids", *_PER_TOKEN)
            if (value := getattr(self, name)) is not None
        }
        return Batch(**cut)

    def split(self, parts: int) -> Iterator[tuple[Batch, bool]]:
        """At most ``parts`` batches of equally many rows, and whether each is the last one.

        The last may have fewer rows.
        """
        n_rows = self.input_ids.shape[0]
        size = math.ceil(n_rows / parts)
        for start in range(0, n_rows, size):
            stop = min(start + size, n_rows)
            yield (self if size == n_rows else self.rows(start, stop)), stop == n_rows


def _send(value: Tensor, device: torch.device) -> Tensor:
    """To a GPU by way of pinned memory: a copy from ordinary memory would wait until it is idle."""
    if device.type == "cuda" and value.device.type == "cpu":
        value = value.pin_memory()
    return value.to(device, non_blocking=True)
