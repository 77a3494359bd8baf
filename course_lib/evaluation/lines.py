"""What is reached on masked batches without looking at any neighbour: the lines of "no language".

    unigram     p(x) = q(x)                       the share of x in the training text
    copying     p(x | v) = q(x)                                               if v is [MASK]
                p(x | v) = q(x) (k [x = v] + r / n) / (q(v) k + r / n)        if v is a token

v is what stands in the input at the target. Of the targets a share m is shown as [MASK], r as one
of n tokens drawn at random and k as itself; the second law is Bayes' rule for "is this the right
token, or one drawn at random?". Nobody who looks at no neighbour does better. Under 80/10/10 the
copying line lies some tenths of a nat below the unigram line: a network between the two may have
learnt to copy and nothing else. On targets that are shown as [MASK] the two are the same, so that
is where networks are compared.

Cost: a lookup for each target. Source of m, r and k: Devlin et al. 2019 (arXiv:1810.04805).

>>> q, shown = np.array([0.0, 0.5, 0.5]), np.array([0, 1, 1])  # 0 is [MASK]
>>> law = dict(mask_id=0, policy=MaskPolicy(mask=0.6, random=0.2, keep=0.2))
>>> copying_probabilities(q, np.array([1, 1, 2]), shown, **law).round(3).tolist()
[0.5, 0.75, 0.25]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from course_lib.batch import Batch
from course_lib.batches.encoded import TokenSource
from course_lib.masking import MaskPolicy

from .ngrams import unigram_probabilities


@dataclass(frozen=True)
class Lines:
    """Nats a target of those who look at no neighbour.

    unigram: over all targets, by their frequencies.  copying: over all targets, by their
        frequencies and by what is shown.  unigram_mask: over the targets that are shown as [MASK],
        by their frequencies, which is all that is known there; NaN if there is none.
    """

    unigram: float
    copying: float
    unigram_mask: float


def lines_of_nothing(
    train_tokens: TokenSource,
    batches: Sequence[Batch],
    *,
    vocab_size: int,
    mask_id: int,
    special_ids: Sequence[int] = (),
    policy: MaskPolicy = MaskPolicy(),  # noqa: B008  (frozen)
) -> Lines:
    """The three lines on these batches, with frequencies from the training text, plus one each.

    policy: with which the batches were masked.

    Raises ValueError if the batches hold no predicted token.
    """
    right, shown = _asked(batches)
    if not len(right):
        raise ValueError("nothing to evaluate: no batch has a predicted token")
    q = unigram_probabilities(train_tokens, vocab_size, special_ids)
    copying = copying_probabilities(q, right, shown, mask_id=mask_id, policy=policy)
    by_frequency, as_mask = -np.log(q[right]), shown == mask_id
    unigram_mask = float(by_frequency[as_mask].mean()) if as_mask.any() else float("nan")
    return Lines(float(by_frequency.mean()), float(-np.log(copying).mean()), unigram_mask)


def copying_probabilities(
    frequencies: Float[np.ndarray, " v"],
    right: Int[np.ndarray, " n"],
    shown: Int[np.ndarray, " n"],
    *,
    mask_id: int,
    policy: MaskPolicy,
) -> Float[np.ndarray, " n"]:
    """p(right | shown) of the copying law above; a token of frequency 0 is never drawn or right."""
    at_random = policy.random / max(1, np.count_nonzero(frequencies))
    as_seen = policy.keep * (right == shown) + at_random
    evidence = policy.keep * frequencies[shown] + at_random
    # a policy that shows nothing but [MASK] has no other case to weigh
    told = np.divide(as_seen, evidence, out=np.ones_like(evidence), where=evidence > 0)
    return frequencies[right] * np.where(shown == mask_id, 1.0, told)


def _asked(batches: Sequence[Batch]) -> tuple[np.ndarray, np.ndarray]:
    """The right token and the shown one at each target."""
    pairs = [
        torch.stack([batch.labels.flatten(), batch.input_ids.flatten()])[:, batch.target_positions]
        for batch in batches
        if batch.labels is not None
    ]
    right, shown = torch.cat(pairs, dim=1).cpu().numpy() if pairs else np.empty((2, 0), np.int64)
    return right, shown
