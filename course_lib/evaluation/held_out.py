"""How good is a model? Always over tokens, never over batches.

    NLL = (sum over batches of summed loss) / (sum over batches of predicted tokens)  nats a token
    perplexity = exp(NLL)

The mean of the batches' means is another number whenever batches hold unequal numbers of masked
tokens, and it changes with the batch size. Always look at the NLL beside that of the unigram model,
which knows how often each token occurs and nothing else: a network that has learnt no more than
that still looks as if it were learning.

Where some masked tokens stand in the input as themselves (80/10/10), a network gets below that
line by copying them, and still knows nothing about language. Then compare ``parts["mask"].nll``,
over the targets that are shown as [MASK], with the unigram model on the same targets:
``evaluate(model, MaskedLM(mask_id), batches)``.

Cost: one forward pass. Other measures: ``likelihood`` (perplexity and pseudo-perplexity of whole
texts), ``information`` (bits per byte, comparable across tokenizers), ``ngrams`` (bigrams and
longer), ``intervals`` (how sure).

>>> perplexity(0.0), round(perplexity(math.log(50)), 6)
(1.0, 50.0)
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from course_lib import hardware
from course_lib.batch import Batch
from course_lib.distributed import Workers
from course_lib.hardware import autocast
from course_lib.objectives import Loss, Objective
from course_lib.settings import settle


@dataclass(frozen=True)
class Evaluation:
    """nll: nats per predicted token.  accuracy: share right on top.  count: predicted tokens.
    parts: the same over the objective's named parts, those in which anything was predicted.
    """

    nll: float
    accuracy: float | None
    count: int
    parts: Mapping[str, Evaluation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settle(self, finite=False)

    @property
    def perplexity(self) -> float:
        """exp(nll): the number of equally likely tokens that would be as hard."""
        return perplexity(self.nll)


def perplexity(nll: float) -> float:
    """exp of nats per token; infinite where that overflows."""
    return math.exp(nll) if nll < 700 else math.inf


@dataclass
class _Sum:
    """What the batches add up to."""

    total: Tensor | float = 0.0
    count: int = 0
    correct: Tensor | int | None = 0

    def add(self, loss: Loss) -> None:
        self.total = self.total + loss.total.double()
        self.count += loss.count
        if self.correct is None or loss.correct is None:
            self.correct = None
        else:
            self.correct = self.correct + loss.correct

    def over(self, workers: Workers) -> Evaluation | None:
        """The mean over all workers' tokens, or None if there are none; all workers must call."""
        nats, predicted = workers.sum(float(self.total), self.count)
        right = None if self.correct is None else workers.sum(int(self.correct))[0]
        if not predicted:
            return None
        accuracy = None if right is None else right / predicted
        return Evaluation(nats / predicted, accuracy, int(predicted))


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
    whole, parts, training = _Sum(), defaultdict(_Sum), model.training
    model.eval()
    try:
        for batch in batches:
            with autocast(device, precision):
                loss = objective(model, workers.share(batch).to(device))
            whole.add(loss)
            for name, part in loss.parts.items():
                parts[name].add(part)
    finally:
        model.train(training)
    if (found := whole.over(workers)) is None:
        raise ValueError("nothing to evaluate: no batch has a predicted token")
    apart = {name: part.over(workers) for name, part in parts.items()}
    return replace(found, parts={name: part for name, part in apart.items() if part})
