"""What is minimised: functions (model, batch) -> Loss, a sum in nats and a count of predictions.

    masked (MLM)         L = - sum over masked i of  log p(x_i | corrupted x)
    causal (CLM)         L = - sum over i of         log p(x_{i+1} | x_1 .. x_i)
    replaced (RTD)       L = - sum over tokens i of  log p(y_i | corrupted x)   y_i: was i replaced?
    next sentence (NSP)  L = - sum over pairs of     log p(y | first, second)   y: does it follow?

The first two choose one of v tokens, by a softmax over the vocabulary: a *categorical*
cross-entropy. The last two answer yes or no: a *binary* one, with s(z) = 1 / (1 + e^-z)

    -log p(y) = -y log s(z) - (1 - y) log(1 - s(z)) = max(z, 0) - z y + log(1 + e^-|z|)

Everywhere ``labels[i]`` is the right answer *for the prediction made at position i*, and -100 where
none is made. The sum comes with its count, so that batches with unequal numbers of targets add up
to the right mean.

Cost: the head's operations per *target*; logits at other positions are never computed.

Sources: Devlin et al. 2019 (arXiv:1810.04805, MLM and NSP), Clark et al. 2020 (arXiv:2003.10555,
RTD).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.batch import Batch
from course_lib.masking import shown_as

from .loss import Loss, target_logits, targets_of


class MaskedLM:
    """Cross-entropy at the masked positions of ``batch``, with the head run on those alone.

    mask_id: the token [MASK]. With it, where gradients are off, the loss also comes in three parts,
        by what stands in the input at the target: "mask", "itself" or "another"
        (``masking.shown_as``). Only the first is about language alone.

    Raises ValueError if the batch has no labels. A batch in which nothing is masked gives a loss of
    0 over 0 tokens.

    >>> from course_lib.encoder import EncoderConfig, MaskedLanguageModel
    >>> config = EncoderConfig.bert(vocab_size=64, n_layers=1, d_model=16, n_heads=2)
    >>> model = MaskedLanguageModel(config)
    >>> batch = Batch(torch.tensor([[2, 4, 9, 3]]), labels=torch.tensor([[-100, 7, -100, -100]]))
    >>> loss = MaskedLM()(model, batch)
    >>> loss.count, 3 < loss.mean.item() < 6  # an untrained model is near ln 64 = 4.16
    (1, True)
    """

    mask_id: int | None = None

    def __init__(self, mask_id: int | None = None) -> None:
        self.mask_id = mask_id

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """The summed loss over the batch's masked tokens; the softmax is taken in float32.

        ``correct`` is counted where gradients are off, as in ``evaluate``.
        """
        targets = targets_of(batch, "mask it first (course_lib.masking.mask_tokens)")
        logits = target_logits(model, batch)
        if self.mask_id is None or torch.is_grad_enabled():
            return _categorical(logits, targets)
        return _in_parts(logits, targets, shown_as(batch, self.mask_id))


class CausalLM:
    """Cross-entropy of the next token at each position; the model is called with ``causal=True``.

    ``batch.labels`` are shifted already, ``labels[i] = x[i + 1]``: make the batch with
    ``next_token_batch``. (In ``transformers`` the labels are the tokens themselves and the model
    shifts them. Unshifted labels here would ask for a token that the model sees.)

    Raises ValueError if the batch has no labels.

    >>> from course_lib.batches import next_token_batch
    >>> from course_lib.encoder import EncoderConfig, MaskedLanguageModel
    >>> config = EncoderConfig.modern(vocab_size=64, n_layers=1, d_model=16, n_heads=2)
    >>> model = MaskedLanguageModel(config)
    >>> CausalLM()(model, next_token_batch(torch.tensor([[2, 7, 9, 3]]))).count
    3
    """

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """The summed loss over all targets; ``correct`` is counted where gradients are off."""
        targets = targets_of(batch, "make it with course_lib.batches.next_token_batch")
        return _categorical(target_logits(model, batch, causal=True), targets)


class ReplacedToken:
    """Binary cross-entropy at every token that could have been replaced.

    Its label is 1 if it was, 0 if not, -100 on specials.

    The model gives one logit a position (``encoder.BinaryClassifier``); ``masking.replace_tokens``
    makes the batch. Every ordinary token teaches something, not only the corrupted 15 %.

    Raises ValueError if the batch has no labels, or labels other than 0, 1 and -100.

    >>> from course_lib.encoder import BinaryClassifier, EncoderConfig
    >>> config = EncoderConfig.bert(vocab_size=64, n_layers=1, d_model=16, n_heads=2)
    >>> model = BinaryClassifier(config)
    >>> batch = Batch(torch.tensor([[2, 7, 9, 3]]), labels=torch.tensor([[-100, 0, 1, -100]]))
    >>> ReplacedToken()(model, batch).count
    2
    """

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """The summed loss over labelled tokens; ``correct`` is counted where gradients are off."""
        targets = targets_of(batch, "corrupt it first (course_lib.masking.replace_tokens)")
        return _binary(target_logits(model, batch), targets)


class NextSentence:
    """Binary cross-entropy of "the second sentence follows the first": one answer a row, at [CLS].

    ``labels[:, 0]`` is 1 where it follows and 0 where it was taken from elsewhere; all other labels
    are -100. (``transformers`` has it the other way round: its label 0 means that the second
    sentence follows.)

    Raises ValueError if a row has not exactly one label, in its first column, or labels other than
    0 and 1.

    >>> from course_lib.encoder import BinaryClassifier, EncoderConfig
    >>> config = EncoderConfig.bert(vocab_size=64, n_layers=1, d_model=16, n_heads=2)
    >>> ids, types = torch.tensor([[2, 7, 3, 9, 3], [0, 0, 0, 1, 1]]).split(1)
    >>> labels = torch.tensor([[1, -100, -100, -100, -100]])
    >>> pair = Batch(ids, labels=labels, token_type_ids=types)
    >>> NextSentence()(BinaryClassifier(config, activation="tanh"), pair).count
    1
    """

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """The summed loss over all pairs; ``correct`` is counted where gradients are off."""
        remedy = "give 1 or 0 in the first column of each row and -100 elsewhere"
        targets = targets_of(batch, remedy)
        rows, width = batch.input_ids.shape
        at_start = torch.arange(rows, device=targets.device) * width
        asked = batch.target_positions
        misplaced = asked is not None and asked.is_cpu and not torch.equal(asked, at_start)
        if len(targets) != rows or misplaced:
            raise ValueError(
                "a pair has one label, in its first column; set all other labels to -100"
            )
        return _binary(target_logits(model, batch), targets)


def _categorical(logits: Float[Tensor, "n v"], targets: Int[Tensor, " n"]) -> Loss:
    total = F.cross_entropy(logits.float(), targets, reduction="sum")
    # in training nobody needs the accuracy, and argmax costs as much as the softmax
    if torch.is_grad_enabled():
        return Loss(total, targets.numel())
    return Loss(total, targets.numel(), (logits.argmax(-1) == targets).sum())


def _in_parts(
    logits: Float[Tensor, "n v"], targets: Int[Tensor, " n"], shown: dict[str, Bool[Tensor, " n"]]
) -> Loss:
    each = F.cross_entropy(logits.float(), targets, reduction="none")
    right = logits.argmax(-1) == targets
    parts = {
        name: Loss(each[here].sum(), int(here.sum()), right[here].sum())
        for name, here in shown.items()
    }
    return Loss(each.sum(), targets.numel(), right.sum(), parts)


def _binary(logits: Float[Tensor, " n"], targets: Int[Tensor, " n"]) -> Loss:
    # free here, a stall on a GPU
    if targets.is_cpu and not ((targets == 0) | (targets == 1)).all():
        raise ValueError(
            "labels must be 0, 1 or -100 for a yes-or-no objective, got "
            f"{sorted(set(targets.tolist()))[:5]} ...: are these a language model's labels?"
        )
    total = F.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="sum")
    if torch.is_grad_enabled():
        return Loss(total, targets.numel())
    return Loss(total, targets.numel(), ((logits > 0) == (targets == 1)).sum())
