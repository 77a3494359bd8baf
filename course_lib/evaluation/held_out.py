"""How good is a model? Always over tokens, never over batches.

    NLL = (sum over batches of summed loss) / (sum over batches of predicted tokens)  nats a token
    perplexity = exp(NLL)

The mean of the batches' means is another number whenever batches hold unequal numbers of masked
tokens, and it changes with the batch size. Always look at the NLL beside that of the unigram model,
which knows how often each token occurs and nothing else: a network that has learnt no more than
that still looks as if it were learning.

Cost: one forward pass. Other measures: ``likelihood`` (perplexity and pseudo-perplexity of whole
texts), ``information`` (bits per byte, comparable across tokenizers), ``ngrams`` (bigrams and
longer), ``intervals`` (how sure).

>>> perplexity(0.0), round(perplexity(math.log(50)), 6)
(1.0, 50.0)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from course_lib import hardware
from course_lib.batch import Batch
from course_lib.distributed import Workers
from course_lib.hardware import autocast
from course_lib.objectives import Objective
from course_lib.settings import settle


@dataclass(frozen=True)
class Evaluation:
    """nll: nats per predicted token.  accuracy: share right on top.  count: predicted tokens."""

    nll: float
    accuracy: float | None
    count: int

    def __post_init__(self) -> None:
        settle(self, finite=False)

    @property
    def perplexity(self) -> float:
        """exp(nll): the number of equally likely tokens that would be as hard."""
        return perplexity(self.nll)


def perplexity(nll: float) -> float:
    """exp of nats per token; infinite where that overflows."""
    return math.exp(nll) if nll < 700 else math.inf


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
            if correct is not None:
                correct = None if loss.correct is None else correct + loss.correct
            count += loss.count
    finally:
        model.train(training)
    nats, predicted = workers.sum(float(total), count)
    right = None if correct is None else workers.sum(int(correct))[0]
    if not predicted:
        raise ValueError("nothing to evaluate: no batch has a predicted token")
    accuracy = None if right is None else right / predicted
    return Evaluation(nats / predicted, accuracy, int(predicted))
