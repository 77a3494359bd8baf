"""A frozen encoder says the same of a text every time: ask it once, train the head on the answer.

    encode once:  table[i] = pool(encoder(row i))          or, for words and spans, one line a token
    then train:   the head on rows of *numbers of lines*, with an encoder that looks them up

``LookedUp`` is that encoder, so the model, the objective, the stream and the loop stay what they
are. For e epochs it costs one forward pass instead of e. The encoder is in evaluation mode, so its
dropout is off; the head's is on.

Memory: 4 d bytes a text, or a token for words and spans (MiniLM: 1.5 kB).

>>> encoder = LookedUp(torch.eye(3))
>>> encoder(torch.tensor([[2, 0]])).tolist()
[[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.hardware import autocast

from .heads import SequenceClassifier, TaskModel, pool
from .rows import Row
from .stream import sorted_batches


class LookedUp(nn.Module):
    """An "encoder" whose token ids are line numbers of a table of vectors.

    The table is not saved with the weights.
    """

    table: Tensor

    def __init__(self, table: Float[Tensor, "n d"]) -> None:
        super().__init__()
        self.config = SimpleNamespace(d_model=table.shape[1])
        self.register_buffer("table", table, persistent=False)

    def forward(
        self, input_ids: Int[Tensor, "b t"], **ignored: Tensor | None
    ) -> Float[Tensor, "b t d"]:
        """The lines with these numbers."""
        return self.table[input_ids]


class FeatureStore:
    """What an encoder says of rows, kept: asking again for the same row costs nothing, also in a
    run with another seed.

    model: a ``TaskModel``; only its encoder and its pooling are used, and never changed.
    """

    def __init__(
        self, model: TaskModel, *, pad_id: int = 0, precision: str = "fp32", batch_size: int = 64
    ) -> None:
        self.model, self.pad_id = model, pad_id
        self.precision, self.batch_size = precision, batch_size
        self.known: dict[tuple, Tensor] = {}

    def of(self, rows: Sequence[Row]) -> list[Float[Tensor, "t d"]]:
        """The features of each row, on the CPU: one line for a text, one a token for words and
        spans.
        """
        new = list({_key(row): row for row in rows if _key(row) not in self.known}.values())
        if new:
            self._encode(new)
        return [self.known[_key(row)] for row in rows]

    @torch.no_grad()
    def _encode(self, rows: list[Row]) -> None:
        encoder = self.model.encoder
        device, training = next(encoder.parameters()).device, encoder.training
        batches, places = sorted_batches(rows, self.batch_size, self.pad_id)
        at = iter(places)
        encoder.eval()
        try:
            for batch in batches:
                moved = batch.to(device)
                with autocast(device, self.precision):
                    hidden = encoder(moved.input_ids, **moved.inputs()).float()
                if isinstance(self.model, SequenceClassifier):
                    # (b, 1, d)
                    hidden = pool(hidden, moved.segment_ids, self.model.pooling)[:, None]
                for line in hidden.cpu():
                    row = rows[next(at)]
                    self.known[_key(row)] = line[: len(row)].clone()
        finally:
            encoder.train(training)

    def looked_up(self, *parts: Sequence[Row]) -> tuple[LookedUp, list[list[Row]]]:
        """One table for all rows, and the rows of each part as line numbers of it, with their
        labels.
        """
        table, numbered, at = [], [], 0
        for part in parts:
            numbered.append([])
            for row, lines in zip(part, self.of(part), strict=True):
                ids = tuple(range(at, at + len(lines)))
                numbered[-1].append(
                    replace(row, ids=ids, labels=row.labels[: len(lines)], types=())
                )
                table.append(lines)
                at += len(lines)
        return LookedUp(torch.cat(table)), numbered


def _key(row: Row) -> tuple:
    return row.ids, row.types
