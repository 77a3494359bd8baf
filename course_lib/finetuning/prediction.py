"""What a tuned model says of texts, and how good that is.

======  =================================================  ======================================
kind    prediction of one example                          scores
======  =================================================  ======================================
text    the class with the largest logit                   accuracy, macro_f1, mcc
pair    the same                                           the same
words   a tag for each word, from its first piece          entity_f1, tag_accuracy
span    the best pair of places, first <= last, as         span_f1, exact_match
        characters (start, stop)
======  =================================================  ======================================

The first score of a kind is the one that is quoted. A word that has no piece (cut off by ``max_len``) is judged as ``O``;
a span is looked for in the text alone, never in the question, and at most ``LONGEST_ANSWER`` tokens long.

Cost: one forward pass, over batches of like length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib import hardware
from course_lib.evaluation import Interval, classification_scores, entity_scores, span_scores
from course_lib.hardware import autocast

from .heads import SpanExtractor
from .rows import AnyExample, Row
from .stream import sorted_batches

LONGEST_ANSWER = 30  # tokens
QUOTED = {"text": "accuracy", "pair": "accuracy", "words": "entity_f1", "span": "span_f1"}


@torch.no_grad()
def row_logits(
    model: nn.Module, rows: Sequence[Row], *, pad_id: int = 0, precision: str = "auto", batch_size: int = 64
) -> list[Float[Tensor, ...]]:
    """The model's logits for each row, in the order given, without those of padding; on the CPU, in float32.

    (k,) for a class of the row, (t, k) for a class of each token, (2, t) for a span. The model's mode stays as it was.
    """
    device, training = next(model.parameters()).device, model.training
    precision = hardware.precision(device) if precision == "auto" else precision
    batches, places = sorted_batches(rows, batch_size, pad_id)
    found: list[Tensor | None] = [None] * len(rows)
    at = iter(places)
    model.eval()
    for batch in batches:
        moved = batch.to(device)
        types = {} if moved.token_type_ids is None else {"token_type_ids": moved.token_type_ids}
        with autocast(device, precision):
            logits = model(moved.input_ids, segment_ids=moved.segment_ids, **types)
        for line in logits.float().cpu():
            i = next(at)
            found[i] = _without_padding(model, line, len(rows[i])).clone()
    model.train(training)
    return found


def _without_padding(model: nn.Module, logits: Tensor, length: int) -> Tensor:
    if logits.ndim == 1:
        return logits
    return logits[:, :length] if isinstance(model, SpanExtractor) else logits[:length]


def best_span(
    logits: Float[Tensor, "2 t"], row: Row, longest: int = LONGEST_ANSWER
) -> tuple[int, int] | None:
    """(start, stop) in characters of the likeliest span of the text; ``None`` if no token of the text is left.

    >>> row = Row((2, 9, 3, 7, 8, 3), (3, 4) + (-100,) * 4, offsets=((0, 0),) * 3 + ((0, 4), (5, 8), (0, 0)))
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
    """The tag of each word of the row, from its first piece; ``outside`` for a word that has none."""
    best = logits.argmax(-1).tolist()
    return [best[piece] if piece >= 0 else outside for piece in row.pieces]


def guesses(kind: str, logits: Sequence[Tensor], rows: Sequence[Row]) -> list:
    """The prediction for each example, as in the table above."""
    if kind == "words":
        return [word_tags(line, row) for line, row in zip(logits, rows, strict=True)]
    if kind == "span":
        return [best_span(line, row) for line, row in zip(logits, rows, strict=True)]
    return [int(line.argmax()) for line in logits]


def judge(
    kind: str,
    examples: Sequence[AnyExample],
    guessed: Sequence,
    labels: Sequence[str],
    *,
    generator: torch.Generator,
) -> dict[str, Interval]:
    """The scores of predictions, with intervals over the examples' groups; the quoted one comes first."""
    groups = [example.group for example in examples]
    if kind == "words":
        named = [
            [[labels[tag] for tag in tags] for tags in side] for side in ([e.tags for e in examples], guessed)
        ]
        return entity_scores(*named, groups, generator=generator)
    if kind == "span":
        truth = [(e.start, e.stop) for e in examples]
        return span_scores([e.text for e in examples], truth, guessed, groups, generator=generator)
    return classification_scores([e.label for e in examples], guessed, groups, generator=generator)
