"""The baselines that a language model must beat: unigram, bigram and longer, smoothed.

    p_k(x | c) = (count(c x) + kappa_k p_{k-1}(x | c')) / (count(c) + kappa_k)
    p_0        = 1 / (number of tokens)

c are the k - 1 tokens before x, c' the same without the first. The lower order acts as kappa_k
imagined observations: where the context is frequent the counts decide, where it never occurred
p_k = p_{k-1}. With kappa_1 = (number of tokens), p_1 is the familiar "add one". Every p_k is a
distribution, and the interpolation weight of the lower order, kappa_k / (count(c) + kappa_k),
adapts to the context. The kappa are fitted on held-out text.

A neural model that does not beat the bigram has learnt less than a table of pairs.

Cost: fitting sorts the text once per order (n log n), memory is one number per *distinct* n-gram; a
lookup is a binary search. Sources: Jelinek & Mercer 1980 (interpolation, weights from held-out
text), MacKay & Peto 1995 (doi:10.1017/S1351324900000218, this form). Kneser-Ney smoothing (Chen &
Goodman 1999, doi:10.1006/csla.1999.0128) is better still for high orders.

>>> model = fit_ngrams(np.array([1, 2, 1, 2, 1, 3]), vocab_size=4, order=2, kappas=(4.0, 1.0))
>>> p = model.probabilities(np.array([[1]] * 4), np.arange(4))
>>> p.round(3).tolist(), round(float(p.sum()), 9)  # after 1, 2 is the most probable
([0.025, 0.1, 0.575, 0.3], 1.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, Num
from torch import Tensor

from course_lib.batch import IGNORE, Batch
from course_lib.batches.encoded import TokenSource


@dataclass(frozen=True)
class _Counts:
    """Sorted distinct keys, and how often each occurred."""

    keys: np.ndarray
    times: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray) -> _Counts:
        """Count the keys."""
        return cls(*np.unique(keys, return_counts=True))

    def __getitem__(self, keys: np.ndarray) -> np.ndarray:
        if not len(self.keys):
            return np.zeros(keys.shape)
        place = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.times[place], 0).astype(np.float64)


@dataclass(frozen=True)
class NgramModel:
    """Counts of all orders up to ``order`` with their ``kappas``.

    Made by ``fit_ngrams``, tuned by ``tune_ngrams``.

    never: ids that are never predicted (probability 0), such as [CLS] and [PAD]. They may stand in
        contexts.
    """

    vocab_size: int
    order: int
    kappas: tuple[float, ...]
    never: tuple[int, ...]
    grams: tuple[_Counts, ...]
    contexts: tuple[_Counts, ...]

    def probabilities(
        self, contexts: Num[np.ndarray, "n k"], targets: Num[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """p(target | context) for each pair.

        A negative id in a context stands for "unknown" and is never matched. Raises ValueError if a
        context has not order - 1 tokens.
        """
        contexts, targets = np.asarray(contexts, np.int64), np.asarray(targets, np.int64)
        if contexts.shape != (len(targets), self.order - 1):
            want, got = (len(targets), self.order - 1), contexts.shape
            raise ValueError(
                f"contexts must hold order - 1 tokens for each target, shape {want}, got {got}"
            )
        return self._mix(self._looked_up(contexts, targets))

    def nll(self, tokens: Integer[np.ndarray, " n"]) -> float:
        """Mean nats per token of a text, over all tokens but those in ``never``.

        The first tokens have a shorter context. Raises ValueError if nothing is to be predicted.
        """
        contexts, targets = _windows(np.asarray(tokens, np.int64), self.order, self.never)
        if not len(targets):
            raise ValueError("nothing to evaluate: the text holds no token that may be predicted")
        return float(-np.log(self.probabilities(contexts, targets)).mean())

    def masked_nll(self, batches: Sequence[Batch]) -> float:
        """Mean nats at the predicted positions of masked batches, from what is *seen* to the left.

        A neighbour that is masked too is unknown, so the model falls back to a lower order: the
        same information that a masked language model has, minus everything to the right. Raises
        ValueError if nothing is predicted.
        """
        pairs = [_masked_windows(batch, self.order) for batch in batches]
        if not sum(len(targets) for _, targets in pairs):
            raise ValueError("nothing to evaluate: no batch has a predicted token")
        contexts, targets = (np.concatenate(part) for part in zip(*pairs, strict=True))
        return float(-np.log(self.probabilities(contexts, targets)).mean())

    def _looked_up(
        self, contexts: np.ndarray, targets: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each order, count(c x) and count(c) of each pair.

        Order 0 gives 1 and the number of tokens.
        """
        allowed = np.isin(targets, self.never, invert=True)
        n_tokens = self.vocab_size - float(len(self.never))
        found = [(allowed.astype(np.float64), np.full(len(targets), n_tokens))]
        for k in range(1, self.order + 1):
            context = _keys(contexts[:, self.order - k :], self.vocab_size)
            gram = np.where((context >= 0) & allowed, context * self.vocab_size + targets, -1)
            found.append((self.grams[k - 1][gram], self.contexts[k - 1][context]))
        return found

    def _mix(self, found: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        p = found[0][0] / found[0][1]
        for kappa, (together, context) in zip(self.kappas, found[1:], strict=True):
            p = (together + kappa * p) / (context + kappa)
        return p


def fit_ngrams(
    tokens: Integer[np.ndarray, " n"],
    vocab_size: int,
    *,
    order: int = 2,
    never: Sequence[int] = (),
    kappas: Sequence[float] | None = None,
) -> NgramModel:
    """Count all n-grams up to ``order`` in a text.

    tokens: flat ids, documents one after the other. A context may reach over a boundary; with [CLS]
        and [SEP] between the documents it then says no more than that a document begins.
    kappas: one positive number per order, imagined observations of the order below; without them
        add one for the unigram and 1 for the rest, to be tuned (``tune_ngrams``).

    Raises ValueError for an order below 1 or too high to number the n-grams in 64 bits, an id
    outside the vocabulary, or kappas that are not positive or not one per order.
    """
    tokens, never = np.asarray(tokens, np.int64), tuple(sorted(set(never)))
    if order < 1 or vocab_size ** min(order, 64) >= 2**63:
        raise ValueError(
            f"order must be at least 1, and vocab_size ** order below 2^63; got order {order}"
        )
    if len(tokens) and not (0 <= tokens.min() and tokens.max() < vocab_size):
        raise ValueError(
            f"tokens must lie in 0 .. {vocab_size - 1}, got {tokens.min()} .. {tokens.max()}"
        )
    add_one = (float(vocab_size - len(never)), *[1.0] * (order - 1))
    kappas = add_one if kappas is None else tuple(kappas)
    if len(kappas) != order or min(kappas) <= 0:
        raise ValueError(f"kappas must be {order} positive numbers, one per order, got {kappas}")
    windows, targets = _windows(tokens, order, never)
    grams, contexts = [], []
    for k in range(1, order + 1):
        context = _keys(windows[:, order - k :], vocab_size)
        known = context >= 0
        contexts.append(_Counts.of(context[known]))
        grams.append(_Counts.of(context[known] * vocab_size + targets[known]))
    return NgramModel(vocab_size, order, kappas, never, tuple(grams), tuple(contexts))


def tune_ngrams(model: NgramModel, held_out: Integer[np.ndarray, " n"]) -> NgramModel:
    """The same counts with the kappas that give ``held_out`` the least NLL, found order by order.

    p_1 is tuned alone, then p_2 given p_1, and so on: each is a search along one number (golden
    section on its logarithm, 1e-4 to 1e6). Tune on the validation text, report on another.

    Raises ValueError if there is nothing to predict in ``held_out``.
    """
    contexts, targets = _windows(np.asarray(held_out, np.int64), model.order, model.never)
    if not len(targets):
        raise ValueError(
            "nothing to tune on: the held-out text holds no token that may be predicted"
        )
    found = model._looked_up(contexts, targets)
    p, kappas = found[0][0] / found[0][1], []
    for together, context in found[1:]:
        loss = lambda x, a=together, c=context, p=p: (
            -np.log((a + math.exp(x) * p) / (c + math.exp(x))).mean()
        )
        kappas.append(math.exp(_smallest(loss, math.log(1e-4), math.log(1e6))))
        p = (together + kappas[-1] * p) / (context + kappas[-1])
    return replace(model, kappas=tuple(kappas))


def _smallest(f: Callable[[float], float], low: float, high: float, steps: int = 40) -> float:
    """Golden-section search for the minimum of a function with one valley."""
    ratio = (math.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    fa, fb = f(a), f(b)
    for _ in range(steps):
        if fa < fb:
            high, b, fb = b, a, fa
            a = high - ratio * (high - low)
            fa = f(a)
        else:
            low, a, fa = a, b, fb
            b = low + ratio * (high - low)
            fb = f(b)
    return (low + high) / 2


def _keys(contexts: Int[np.ndarray, "n k"], vocab_size: int) -> Int[np.ndarray, " n"]:
    """One number for each context; -1 where a token of it is unknown. The empty context is 0."""
    key = np.zeros(len(contexts), np.int64)
    for column in contexts.T:
        key = np.where((key < 0) | (column < 0), -1, key * vocab_size + column)
    return key


def _windows(tokens: np.ndarray, order: int, never: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Contexts (n, order - 1) and targets (n,) of a flat text; before it, -1 (unknown)."""
    padded = np.concatenate([np.full(order - 1, -1, np.int64), tokens])
    windows = np.empty((0, order), np.int64)
    if len(tokens):
        windows = np.lib.stride_tricks.sliding_window_view(padded, order)
    keep = np.isin(windows[:, -1], never, invert=True)
    return windows[keep, :-1], windows[keep, -1]


def _masked_windows(batch: Batch, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Contexts and targets at the labels of a masked batch.

    A neighbour that carries a label itself is unknown.
    """
    labels, ids = _labels(batch).numpy(), batch.input_ids.numpy()
    seen = np.pad(np.where(labels == IGNORE, ids, -1), ((0, 0), (order - 1, 0)), constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(seen, order, axis=1)  # (b, t, order)
    chosen = labels != IGNORE
    return windows[chosen][:, :-1], labels[chosen]


def _labels(batch: Batch) -> Tensor:
    if batch.labels is None:
        raise ValueError("the batch has no labels: mask it first (course_lib.masking.mask_tokens)")
    return batch.labels


def targets(batches: Sequence[Batch]) -> np.ndarray:
    """The right tokens at all predicted positions, one flat array."""
    labels = torch.cat([_labels(batch).flatten() for batch in batches])
    return labels[labels != IGNORE].numpy()


def token_counts(
    tokens: TokenSource, vocab_size: int, special_ids: Sequence[int] = ()
) -> np.ndarray:
    """How often each token occurs, (v,); 0 for special tokens, which are never predicted.

    Reads in pieces.
    """
    counts = np.zeros(vocab_size, dtype=np.int64)
    for start in range(0, len(tokens), 1 << 24):
        counts += np.bincount(tokens[start : start + (1 << 24)], minlength=vocab_size)
    counts[list(special_ids)] = 0
    return counts


def unigram_nll(
    train_tokens: TokenSource,
    batches: Sequence[Batch],
    vocab_size: int,
    special_ids: Sequence[int] = (),
) -> float:
    """NLL of the best guess without context: frequencies in the training text, plus one each.

    Raises ValueError if the batches hold no predicted token.
    """
    right = targets(batches)
    if not len(right):
        raise ValueError("nothing to evaluate: no batch has a predicted token")
    return float(
        -np.log(unigram_probabilities(train_tokens, vocab_size, special_ids)[right]).mean()
    )


def unigram_probabilities(
    train_tokens: TokenSource, vocab_size: int, special_ids: Sequence[int] = ()
) -> Float[np.ndarray, " v"]:
    """Each token's share of the training text, every one counted once more than it occurs.

    0 for special tokens.
    """
    counts = token_counts(train_tokens, vocab_size, special_ids) + 1.0
    counts[list(special_ids)] = 0
    return counts / counts.sum()
