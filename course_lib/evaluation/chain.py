"""The line that nobody beats on the corpus ``chain``: the exact answer to a masked batch.

The words of a row are a Markov chain with known transitions A, and what stands in the input is a
known function of chance of the word: with rate r a word is taken, and then shown as [MASK], as one
of N tokens or as itself with the shares m, a and k of the policy:

    p(shown = v | word = x) = r m                                if v is [MASK]
                              (1 - r + r k) [x = v] + r a / N    if v is a word

So the rows are those of a hidden Markov model, and p(word | all that is shown) comes from one pass
forward and one back (Rabiner 1989, doi:10.1109/5.18626, the scaled form):

    f_i ~ e_i * (f_{i-1} A)      b_i ~ A (e_{i+1} * b_{i+1})      p_i ~ f_i * b_i

A special token that is not [MASK] ends a document, and the chain begins anew, with all words
equally probable. The entropy of the answer is the mean loss of whoever gives it, so that the line
needs no drawing. Cost: two passes of n^2 operations a token.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from course_lib.batch import Batch
from course_lib.data.chain import WORDS, transitions
from course_lib.masking import MaskPolicy, targets_shown_as
from course_lib.tokenization import Tokenizer


def chain_nll(
    batches: Sequence[Batch],
    tokenizer: Tokenizer,
    policy: MaskPolicy = MaskPolicy(),  # noqa: B008  (frozen)
) -> float:
    """Nats a target that is shown as [MASK], of whoever knows the language and sees the row.

    policy: with which the batches were masked, token by token.

    Raises ValueError if a word of the language is not one token, or nothing is shown as [MASK].
    """
    ids = word_ids(tokenizer)
    nats: list[np.ndarray] = []
    for batch in batches:
        only = targets_shown_as(batch, "mask", tokenizer.mask_id)
        assert only.target_positions is not None and only.labels is not None
        shown, right = only.input_ids.numpy(), only.labels.numpy()
        p = answers(shown, ids, tokenizer, policy)
        rows, columns = np.divmod(only.target_positions.numpy(), shown.shape[1])
        place = np.searchsorted(ids, right[rows, columns], sorter=np.argsort(ids))
        nats.append(-np.log(p[rows, columns, np.argsort(ids)[place]]))
    if not sum(map(len, nats)):
        raise ValueError("nothing to evaluate: no target is shown as [MASK]")
    return float(np.concatenate(nats).mean())


def word_ids(tokenizer: Tokenizer) -> Int[np.ndarray, " n"]:
    """The token of each of the language's words."""
    found = [tokenizer.encode(word, add_special=False).ids for word in WORDS]
    if wrong := [word for word, ids in zip(WORDS, found, strict=True) if len(ids) != 1]:
        raise ValueError(
            f"{wrong[0]!r} is not one token of this tokenizer: give it a larger vocabulary"
        )
    return np.array([ids[0] for ids in found])


def answers(
    shown: Int[np.ndarray, "b t"],
    ids: Int[np.ndarray, " n"],
    tokenizer: Tokenizer,
    policy: MaskPolicy,
) -> Float[np.ndarray, "b t n"]:
    """p(word | all that the row shows) at each place, over the language's words."""
    evidence, law = seen(shown, ids, tokenizer, policy), transitions()
    ends = np.isin(shown, [i for i in tokenizer.special_ids if i != tokenizer.mask_id])
    evidence[ends] = 1.0
    forward, back = np.empty_like(evidence), np.empty_like(evidence)
    message = np.ones_like(evidence[:, 0])
    for i in range(shown.shape[1]):
        forward[:, i] = _normal(evidence[:, i] * message)
        message = np.where(ends[:, i, None], 1.0, forward[:, i] @ law)
    message = np.ones_like(message)
    for i in reversed(range(shown.shape[1])):
        back[:, i] = message
        message = np.where(ends[:, i, None], 1.0, _normal(evidence[:, i] * message) @ law.T)
    return _normal(forward * back)


def seen(
    shown: Int[np.ndarray, "b t"],
    ids: Int[np.ndarray, " n"],
    tokenizer: Tokenizer,
    policy: MaskPolicy,
) -> Float[np.ndarray, "b t n"]:
    """p(shown | word) for each word of the language, up to a factor where it is [MASK]."""
    ordinary = tokenizer.vocab_size - len(tokenizer.special_ids)
    kept = 1 - policy.rate + policy.rate * policy.keep
    at_random = policy.rate * policy.random / ordinary
    found = kept * (shown[..., None] == ids) + at_random
    found[shown == tokenizer.mask_id] = 1.0
    return found


def _normal(weights: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "... n"]:
    return weights / weights.sum(axis=-1, keepdims=True)
