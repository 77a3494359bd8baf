"""Scores of labelled tasks, each with a bootstrap interval over independent units.

    accuracy      right / all
    macro_f1      mean over classes of 2 tp / (2 tp + fp + fn)
    mcc           Matthews' correlation of guess and truth: 0 for any guess that ignores the text
    entity_f1     2 tp / (2 tp + fp + fn) over pieces; a piece counts only with the right first and
                  last word and kind
    exact_match   share of spans that are right to the character, but for blanks at their ends
    span_f1       mean overlap of the two spans' words, 2 common / (words here + words there)

Every one of them is a function of a *sum of counts* over examples: right and all; the table of
truth against guess; tp, fp and fn. So an interval needs no second look at the texts: draw units
with repetition, add their counts, compute the score. The units are groups (films, templates,
articles), because sentences of one group are right or wrong together
(:mod:`course_lib.evaluation.intervals` says more).

The scores are those of scikit-learn and seqeval (tested against both), out of counts, which also
give the interval.

Cost: resamples x units additions of counts.

Sources: Matthews 1975 (doi:10.1016/0005-2795(75)90109-9), Nakayama 2018
(https://github.com/chakki-works/seqeval: CoNLL's entity score), Rajpurkar et al. 2016
(arXiv:1606.05250, exact match and F1 of spans; here without their removal of articles and marks),
Efron 1979 (doi:10.1214/aos/1176344552).

>>> generator = torch.Generator().manual_seed(0)
>>> scores = classification_scores([0, 1, 1, 0], [0, 1, 0, 0], generator=generator)
>>> scores["accuracy"].estimate, sorted(scores)
(0.75, ['accuracy', 'macro_f1', 'mcc'])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import partial

import numpy as np
import torch

from course_lib.data.tasks.tags import read_tag
from course_lib.data.tasks.words import trimmed, word_spans

from .intervals import Counts, Interval, interval_of_sums

Span = tuple[int, int]


def ratio(sums: Counts) -> Counts:
    """Column 0 over column 1; 0 where that is 0."""
    return np.divide(sums[:, 0], sums[:, 1], out=np.zeros(len(sums)), where=sums[:, 1] > 0)


def f1_of(sums: Counts) -> Counts:
    """2 tp / (2 tp + fp + fn) of columns tp, fp, fn; 0 where nothing was there nor found."""
    tp, fp, fn = sums.T
    return ratio(np.stack([2 * tp, 2 * tp + fp + fn], axis=1))


def _tables(sums: Counts) -> Counts:
    k = round(sums.shape[1] ** 0.5)
    return sums.reshape(-1, k, k)  # truth x guess


def macro_f1_of(sums: Counts) -> Counts:
    """Mean F1 over the classes that occur, as truth or guess, from flat tables (r, k k) of both."""
    table = _tables(sums)
    tp, truth, guess = np.einsum("rkk->rk", table), table.sum(2), table.sum(1)
    there = truth + guess > 0
    f1 = np.divide(2 * tp, truth + guess, out=np.zeros_like(tp), where=there)
    return f1.sum(1) / np.maximum(1, there.sum(1))


def mcc_of(sums: Counts) -> Counts:
    """Matthews' correlation from tables of truth against guess; 0 where one side never varies."""
    table = _tables(sums)
    n, truth, guess = table.sum((1, 2)), table.sum(2), table.sum(1)
    right = np.einsum("rkk->r", table)
    cross = right * n - (truth * guess).sum(1)
    spread = np.sqrt((n**2 - (truth**2).sum(1)) * (n**2 - (guess**2).sum(1)))
    return np.divide(cross, spread, out=np.zeros_like(n), where=spread > 0)


def classification_scores(
    truth: Sequence[int] | np.ndarray,
    guess: Sequence[int] | np.ndarray,
    groups: Sequence[Hashable] | np.ndarray | None = None,
    *,
    generator: torch.Generator,
    level: float = 0.95,
    resamples: int = 1000,
) -> dict[str, Interval]:
    """Accuracy, macro F1 and Matthews' correlation, with intervals as of ``interval_of_sums``.

    Raises ValueError for unequal lengths.
    """
    _same_length(truth, guess)
    y, z = np.asarray(truth), np.asarray(guess)
    k = int(max(y.max(), z.max())) + 1
    table = np.zeros((len(y), k * k))
    table[np.arange(len(y)), y * k + z] = 1
    right = np.stack([y == z, np.ones(len(y))], axis=1)
    scores = {"accuracy": (ratio, right), "macro_f1": (macro_f1_of, table), "mcc": (mcc_of, table)}
    sure = partial(interval_of_sums, generator=generator, level=level, resamples=resamples)
    return {name: sure(score, counts, groups) for name, (score, counts) in scores.items()}


def entity_scores(
    truth: Sequence[Sequence[str]],
    guess: Sequence[Sequence[str]],
    groups: Sequence[Hashable] | np.ndarray | None = None,
    *,
    generator: torch.Generator,
    level: float = 0.95,
    resamples: int = 1000,
) -> dict[str, Interval]:
    """Entity F1 (micro, over pieces), and accuracy of single tags, from tags of each sentence.

    BIO, IOB1, IO, IOE, BIOES or BILOU, see ``pieces_of``. Raises ValueError for unequal lengths,
    and for tags that mark no pieces.
    """
    _same_length(truth, guess)
    for here, there in zip(truth, guess, strict=True):
        _same_length(here, there)
    counts = np.array([entity_counts(*pair) for pair in zip(truth, guess, strict=True)])
    pairs = zip(truth, guess, strict=True)
    tags = np.array([(sum(map(str.__eq__, *pair)), len(pair[0])) for pair in pairs])
    sure = partial(interval_of_sums, generator=generator, level=level, resamples=resamples)
    return {
        "entity_f1": sure(f1_of, counts, groups),
        "tag_accuracy": sure(ratio, tags, groups),
    }


def pieces_of(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """(kind, first word, last word) of each piece.

    Read as CoNLL's script and seqeval do, so that no sequence is wrong: a piece goes on with ``I-``
    or ``E-`` of its kind, and ends with ``E-`` or ``S-``; a stray ``I-x`` begins one. L is read
    as E, and U as S. Raises ValueError for a tag of no scheme.

    >>> pieces_of(["B-x", "I-x", "B-x", "O", "I-y"])
    [('x', 0, 1), ('x', 2, 2), ('y', 4, 4)]
    >>> pieces_of(["B-x", "L-x", "U-x"])
    [('x', 0, 1), ('x', 2, 2)]
    """
    found, start, before, kind_before = [], 0, "O", ""
    for i, tag in enumerate([*tags, "O"]):
        place, kind = read_tag(tag)
        goes_on = place in "IE" and before in "BI" and kind == kind_before
        if before != "O" and not goes_on:
            found.append((kind_before, start, i - 1))
        if not goes_on:
            start = i
        before, kind_before = place, kind
    return found


def entity_counts(truth: Sequence[str], guess: Sequence[str]) -> tuple[int, int, int]:
    """tp, fp, fn over the pieces of one sentence.

    >>> entity_counts(["B-x", "I-x", "O"], ["B-x", "O", "B-x"])
    (0, 2, 1)
    """
    here, there = set(pieces_of(truth)), set(pieces_of(guess))
    return len(here & there), len(there - here), len(here - there)


def span_scores(
    texts: Sequence[str],
    truth: Sequence[Span],
    guess: Sequence[Span | None],
    groups: Sequence[Hashable] | np.ndarray | None = None,
    *,
    generator: torch.Generator,
    level: float = 0.95,
    resamples: int = 1000,
) -> dict[str, Interval]:
    """Exact match and mean word F1 of spans (start, stop) of ``texts``; ``None``: no answer, 0.

    White space and invisible characters at the ends of a span do not count.
    """
    _same_length(texts, truth)
    _same_length(texts, guess)
    truth = [_bare(*pair) for pair in zip(texts, truth, strict=True)]
    guess = [span and _bare(text, span) for text, span in zip(texts, guess, strict=True)]
    ones = np.ones(len(texts))
    exact = np.array([a == b for a, b in zip(truth, guess, strict=True)])
    overlap = np.array([word_f1(*triple) for triple in zip(texts, truth, guess, strict=True)])
    sure = partial(interval_of_sums, generator=generator, level=level, resamples=resamples)
    return {
        name: sure(ratio, np.stack([values, ones], axis=1), groups)
        for name, values in (("span_f1", overlap), ("exact_match", exact))
    }


def _bare(text: str, span: Span) -> Span:
    """The span without white space at its ends; one of nothing else as it is."""
    return trimmed(text, span) or span


def word_f1(text: str, truth: Span, guess: Span | None) -> float:
    """2 common / (words of the one + words of the other), repeated words counted, case ignored.

    >>> word_f1("the old man and the sea", (4, 11), (0, 11))
    0.8
    """
    if guess is None:
        return 0.0
    here, there = (Counter(_words(text[start:stop])) for start, stop in (truth, guess))
    both = sum(here.values()) + sum(there.values())
    return 2 * sum((here & there).values()) / both if both else 0.0


def _words(text: str) -> list[str]:
    return [text[start:stop].casefold() for start, stop in word_spans(text)]


def _same_length(one: Sequence | np.ndarray, other: Sequence | np.ndarray) -> None:
    if len(one) != len(other):
        raise ValueError(f"truth and guess must be equally many, got {len(one)} and {len(other)}")
