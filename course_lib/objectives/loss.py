"""What an objective is and returns: a sum in nats, and how many predictions it sums over.

    mean over all tokens = (sum of the batches' totals) / (sum of their counts)

That is not the mean of the batches' means when batches hold unequal numbers of targets. Everywhere
``labels[i]`` is the right answer *for the prediction made at position i*, and -100 where none is
made; the model is asked at these positions only.

>>> import torch
>>> Loss(torch.tensor(6.0), count=3).mean.item()
2.0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.batch import Batch


@runtime_checkable
class Objective(Protocol):
    """Anything that turns a model and a batch into a ``Loss``, for ``train`` and ``evaluate``."""

    def __call__(self, model: nn.Module, batch: Batch) -> Loss: ...


def targets_of(batch: Batch, remedy: str) -> Int[Tensor, " n"]:
    if batch.labels is None or batch.target_positions is None:
        raise ValueError(f"the batch has no labels: {remedy}")
    return batch.labels.flatten().index_select(0, batch.target_positions)


def target_logits(model: nn.Module, batch: Batch, **options: bool) -> Float[Tensor, "n ..."]:
    """The model's answers at the batch's targets alone."""
    return model(
        batch.input_ids,
        positions=batch.target_positions,
        **batch.inputs(),
        **options,
    )


@dataclass(frozen=True)
class Loss:
    """A sum over predicted tokens, and how many there were.

    Kept as a sum so that losses of unequal batches can be added: the mean over all tokens is
    ``sum of totals / sum of counts``, and not the mean of the batches' means.

    total: summed negative log-likelihood in nats, a scalar that can be differentiated.
    count: predicted tokens.
    correct: how many of them had the right token on top, a scalar tensor, or ``None`` if not
        counted.
    parts: the same sum in named parts, where the objective tells its targets apart and gradients
        are off; empty otherwise.
    """

    total: Float[Tensor, ""]
    count: int
    correct: Int[Tensor, ""] | None = None
    parts: Mapping[str, Loss] = field(default_factory=dict)

    @property
    def mean(self) -> Float[Tensor, ""]:
        """Nats per predicted token. Raises ValueError when nothing was predicted."""
        if self.count == 0:
            raise ValueError(
                "the batch has no predicted token (every label is -100); mask at least one token a "
                "row"
            )
        return self.total / self.count
