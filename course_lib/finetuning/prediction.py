"""What a tuned model says of texts: logits for each row, tags for words, spans for answers.

A span is looked for in the text alone, never in the question, and at most ``LONGEST_ANSWER`` tokens
long. What is predicted and how it is judged for each kind of task: ``kinds``.

Cost: one forward pass, over batches of like length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib import hardware
from course_lib.hardware import autocast

from .heads import SpanExtractor
from .rows import Row
from .stream import sorted_batches

LONGEST_ANSWER = 30
"""Tokens."""


@torch.no_grad()
def row_logits(
    model: nn.Module,
    rows: Sequence[Row],
    *,
    pad_id: int = 0,
    precision: str = "auto",
    batch_size: int = 64,
) -> list[Float[Tensor, ...]]:
    """The model's logits for each row, in the order given, on the CPU, in float32; none of padding.

    (k,) for a class of the row, (t, k) for a class of each token, (2, t) for a span. The model's
    mode stays as it was.
    """
    device, training = next(model.parameters()).device, model.training
    precision = hardware.precision(device) if precision == "auto" else precision
    batches, places = sorted_batches(rows, batch_size, pad_id)
    found: dict[int, Tensor] = {}
    at = iter(places)
    model.eval()
    try:
        for batch in batches:
            moved = batch.to(device)
            with autocast(device, precision):
                logits = model(moved.input_ids, **moved.inputs())
            for line in logits.float().cpu():
                i = next(at)
                found[i] = _without_padding(model, line, len(rows[i])).clone()
    finally:
        model.train(training)
    return [found[i] for i in range(len(rows))]


def _without_padding(model: nn.Module, logits: Tensor, length: int) -> Tensor:
    if logits.ndim == 1:
        return logits
    return logits[:, :length] if isinstance(model, SpanExtractor) else logits[:length]


def best_span(
    logits: Float[Tensor, "2 t"], row: Row, longest: int = LONGEST_ANSWER
) -> tuple[int, int] | None:
    """(start, stop) in characters of the likeliest span; ``None`` if no token of the text is left.

    >>> offsets = ((0, 0),) * 3 + ((0, 4), (5, 8), (0, 0))
    >>> row = Row((2, 9, 3, 7, 8, 3), (3, 4) + (-100,) * 4, offsets=offsets)
    >>> best_span(torch.tensor([[9.0, 0, 0, 2, 1, 0], [0, 0, 0, 1, 2, 9]]), row)
    (0, 8)
    """
    inside = torch.tensor([start < stop for start, stop in row.offsets])
    if not inside.any():
        return None
    first, last = logits.masked_fill(~inside, -torch.inf)
    allowed = torch.ones(len(first), len(first), dtype=torch.bool).triu().tril(longest - 1)
    score = (first[:, None] + last[None]).masked_fill(~allowed, -torch.inf)
    i, j = divmod(int(score.argmax()), len(first))
    return row.offsets[i][0], row.offsets[j][1]


def word_tags(logits: Float[Tensor, "t k"], row: Row, outside: int = 0) -> list[int]:
    """The tag of each word of the row, from its first piece; ``outside`` where it has none."""
    best = logits.argmax(-1).tolist()
    return [best[piece] if piece >= 0 else outside for piece in row.pieces]
