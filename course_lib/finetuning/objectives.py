"""The losses of labelled tasks: (model, batch) -> Loss, a sum in nats and its count.

    class of a row        L = - sum over rows of      w_y log softmax(z)_y
    class of each word    L = - sum over labelled i   w_y log softmax(z_i)_y
    span                  L = - sum over rows of      log softmax(s)_first + log softmax(e)_last

All are *categorical* cross-entropies, over k classes or over the places of the row. w is the weight
of a class: rare classes count more. ``balanced_weights`` gives w_c = n / (k n_c), which averages to
1 over the examples, so the learning rate keeps its meaning. (``torch`` divides a weighted batch by
the sum of its weights, which makes the weight of an example depend on what else is in the batch;
here it is divided by the number of examples.)

Cost: none beside the model's.

Sources: Devlin et al. 2019 (arXiv:1810.04805, section 4); King and Zeng 2001
(doi:10.1093/oxfordjournals.pan.a004868, weights).

>>> balanced_weights([0, 0, 0, 1], 2)
(0.6666666666666666, 2.0)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.batch import Batch
from course_lib.objectives import Loss, target_logits, targets_of


def balanced_weights(labels: Sequence[int], n_labels: int) -> tuple[float, ...]:
    """n / (k n_c) for each class c, as scikit-learn's ``class_weight="balanced"``.

    It is 0 for a class that does not occur. Raises ValueError for no labels.
    """
    if not len(labels):
        raise ValueError("no labels: a weight needs counts")
    counts = [0] * n_labels
    for label in labels:
        counts[label] += 1
    present = sum(count > 0 for count in counts)
    return tuple(len(labels) / (present * count) if count else 0.0 for count in counts)


def _weighted(
    logits: Float[Tensor, "n k"], targets: Int[Tensor, " n"], weights: Sequence[float] | None
) -> Loss:
    weight = None if weights is None else torch.tensor(weights, device=logits.device)
    total = F.cross_entropy(logits.float(), targets, weight=weight, reduction="sum")
    if torch.is_grad_enabled():
        return Loss(total, targets.numel())
    return Loss(total, targets.numel(), (logits.argmax(-1) == targets).sum())


class Classification:
    """One class a row, given in the first column of the labels.

    weights: of the classes, or ``None``.

    Raises ValueError if the batch has no labels, or a row has none or several.

    >>> from course_lib.encoder import Encoder, EncoderConfig
    >>> from course_lib.finetuning import SequenceClassifier
    >>> encoder = Encoder(EncoderConfig.bert(vocab_size=50, n_layers=1, d_model=8, n_heads=2))
    >>> batch = Batch(torch.tensor([[2, 7, 3]]), labels=torch.tensor([[1, -100, -100]]))
    >>> Classification()(SequenceClassifier(encoder, 2), batch).count
    1
    """

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        self.weights = weights

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """The summed loss over the batch's rows; ``correct`` is counted where gradients are off."""
        targets = targets_of(
            batch, "give the class in the first column of each row and -100 elsewhere"
        )
        _check_columns(batch, targets, 1)
        return _weighted(model(batch.input_ids, **batch.inputs()), targets, self.weights)


class TokenClassification:
    """One class at each labelled token; the head is run on those alone.

    weights: of the classes, or ``None``.

    Raises ValueError if the batch has no labels.
    """

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        self.weights = weights

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """The summed loss over the batch's labelled tokens.

        ``correct`` is counted where gradients are off.
        """
        targets = targets_of(
            batch,
            "put tags on the first piece of each word (course_lib.finetuning.alignment.project)",
        )
        return _weighted(target_logits(model, batch), targets, self.weights)


class SpanExtraction:
    """The places of a span's first and last token, given in the first two columns of the labels.

    Raises ValueError if the batch has no labels, or a row has not exactly two.
    """

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """The summed loss over two predictions a row.

        ``correct`` counts places, where gradients are off.
        """
        targets = targets_of(batch, "give the span's two places in the first columns of each row")
        _check_columns(batch, targets, 2)
        logits = model(batch.input_ids, **batch.inputs())  # (b, 2, t)
        return _weighted(logits.flatten(0, 1), targets, None)


def _check_columns(batch: Batch, targets: Tensor, per_row: int) -> None:
    """Every row has labels in its first ``per_row`` columns and nowhere else."""
    rows, width = batch.input_ids.shape
    columns = torch.arange(per_row, device=targets.device)
    wanted = torch.arange(rows, device=targets.device)[:, None] * width + columns
    asked = batch.target_positions
    misplaced = asked is not None and asked.is_cpu and not torch.equal(asked, wanted.flatten())
    if len(targets) != wanted.numel() or misplaced:
        raise ValueError(
            f"a row of this task has {per_row} label{'s' * (per_row > 1)}, in its first "
            f"column{'s' * (per_row > 1)}; set all other labels to -100"
        )
