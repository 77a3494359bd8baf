"""How good is a model? Always over tokens, never over batches.

    NLL = (sum over batches of the summed loss) / (sum over batches of the predicted tokens)      nats per token
    perplexity = exp(NLL)

The mean of the batches' means is another number whenever batches hold unequal numbers of masked tokens, and it
changes with the batch size. Always look at the NLL beside that of the unigram model, which knows how often each
token occurs and nothing else: a network that has learnt no more than that still looks as if it were learning.

Cost: one forward pass. Other measures: ``scoring`` (perplexity and pseudo-perplexity of whole texts), ``information``
(bits per byte, comparable across tokenizers), ``ngrams`` (bigrams and longer), ``intervals`` (how sure).

>>> perplexity(0.0), round(perplexity(math.log(50)), 6)
(1.0, 50.0)
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from . import hardware
from .distributed import Workers
from .objectives import Objective
from .types import IGNORE, Batch

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Evaluation:
    """nll: nats per predicted token.  accuracy: share with the right token on top.  count: predicted tokens."""

    nll: float
    accuracy: float | None
    count: int

    @property
    def perplexity(self) -> float:
        """exp(nll): the number of equally likely tokens that would be as hard."""
        return perplexity(self.nll)


def perplexity(nll: float) -> float:
    """exp of nats per token; infinite where that overflows."""
    return math.exp(nll) if nll < 700 else math.inf


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Matrix products in ``precision`` ("fp32", "bf16", "fp16"). Raises ValueError for another name."""
    if precision == "fp32":
        return contextlib.nullcontext()
    if precision not in _DTYPES:
        raise ValueError(f"precision must be 'auto', 'fp32', 'bf16' or 'fp16', got {precision!r}")
    return torch.autocast(device.type, _DTYPES[precision])


@torch.no_grad()
def evaluate(
    model: nn.Module,
    objective: Objective,
    batches: Iterable[Batch],
    *,
    precision: str = "auto",
    workers: Workers = Workers(),  # noqa: B008  (frozen)
) -> Evaluation:
    """Loss and accuracy over all batches, weighted by token; the model's mode is left as it was.

    workers: those who share the rows of each batch; each of them gets the result over all rows.

    Raises ValueError if the batches hold no predicted token.
    """
    device = next(model.parameters()).device
    precision = workers.agree(hardware.precision(device)) if precision == "auto" else precision
    total, correct, count, training = 0.0, 0, 0, model.training
    model.eval()
    try:
        for batch in batches:
            with autocast(device, precision):
                loss = objective(model, workers.share(batch).to(device))
            total += loss.total.double()
            correct = correct + loss.correct if loss.correct is not None else None
            count += loss.count
    finally:
        model.train(training)
    total, count = workers.sum(float(total), count)
    if correct is not None:
        (correct,) = workers.sum(int(correct))
    if not count:
        raise ValueError("nothing to evaluate: no batch has a predicted token")
    return Evaluation(total / count, None if correct is None else correct / count, count)


def targets(batches: Sequence[Batch]) -> np.ndarray:
    """The right tokens at all predicted positions, one flat array."""
    labels = torch.cat([batch.labels.flatten() for batch in batches])
    return labels[labels != IGNORE].numpy()


def token_counts(tokens: np.ndarray, vocab_size: int, special_ids: Sequence[int] = ()) -> np.ndarray:
    """How often each token occurs, (v,); 0 for special tokens, which are never predicted. Reads in pieces."""
    counts = np.zeros(vocab_size, dtype=np.int64)
    for start in range(0, len(tokens), 1 << 24):
        counts += np.bincount(tokens[start : start + (1 << 24)], minlength=vocab_size)
    counts[list(special_ids)] = 0
    return counts


def unigram_nll(
    train_tokens: np.ndarray, batches: Sequence[Batch], vocab_size: int, special_ids: Sequence[int] = ()
) -> float:
    """NLL of the best guess that ignores the context: the tokens' frequencies in the training text, plus one each.

    Raises ValueError if the batches hold no predicted token.
    """
    right = targets(batches)
    if not len(right):
        raise ValueError("nothing to evaluate: no batch has a predicted token")
    counts = token_counts(train_tokens, vocab_size, special_ids) + 1.0
    counts[list(special_ids)] = 0
    return float(-np.log(counts[right] / counts.sum()).mean())
