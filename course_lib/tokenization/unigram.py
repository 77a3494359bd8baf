"""Unigram segmentation by hand (Kudo 2018): the most probable way to cut a word, and its training.

A word is cut into items u_1 ... u_m of a vocabulary, with probability p(u_1) ... p(u_m), each item
drawn on its own. Using it: of all segmentations take the most probable, by Viterbi's algorithm.
Training it: start with far too many items; find their probabilities by expectation maximisation,
the segmentations being hidden; throw away the items that are missed least; repeat until the wanted
number is left.

Cost: Viterbi takes time proportional to the length of the word times that of the longest item. The
training here is to be read, on a toy text; ``tokenizers`` does it on megabytes.

>>> best_segmentation("lowest", {"low": -1.0, "est": -1.5, "lowe": -3.0, "st": -2.0})
(['low', 'est'], -2.5)
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

# nats below the least probable item, for a character that no item covers (as in tokenizers)
UNKNOWN_PENALTY = 10.0


def best_segmentation(word: str, log_probs: Mapping[str, float]) -> tuple[list[str], float]:
    """Viterbi: the segmentation of highest probability under a unigram model.

    Returned with its log-probability (nats).

    ``log_probs``: vocabulary items and their log-probabilities. A character that no item covers
    costs ``UNKNOWN_PENALTY`` more than the least probable item; neighbours of that kind come out as
    one piece. Ties: the longer last piece.

    Recursion, with s(j) the score of the best segmentation of the first j characters: s(0) = 0,
    s(j) = max over i < j of s(i) + log p(word[i:j]).
    """
    unknown = min(log_probs.values()) - UNKNOWN_PENALTY
    longest = max(map(len, log_probs))
    scores, starts = [0.0], [0]
    for end in range(1, len(word) + 1):
        best, best_start = -math.inf, end - 1
        for start in range(max(0, end - longest), end):
            default = unknown if end - start == 1 else -math.inf
            score = scores[start] + log_probs.get(word[start:end], default)
            if score > best:
                best, best_start = score, start
        scores.append(best)
        starts.append(best_start)
    return _trace_back(word, starts, log_probs), scores[-1]


def _trace_back(word: str, starts: Sequence[int], known: Mapping[str, float]) -> list[str]:
    pieces: list[str] = []
    end, after_unknown = len(word), False
    while end > 0:
        piece = word[starts[end] : end]
        if piece not in known and after_unknown:
            pieces[-1] = piece + pieces[-1]
        else:
            pieces.append(piece)
        after_unknown = piece not in known
        end = starts[end]
    return pieces[::-1]


def seed_pieces(
    word_counts: Mapping[str, int], max_length: int = 8, min_count: int = 2
) -> dict[str, float]:
    """Unigram's first, much too large vocabulary: all frequent substrings.

    Log-probabilities are by their counts. Single characters are always in.
    """
    counts: Counter[str] = Counter()
    for word, times in word_counts.items():
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + max_length) + 1):
                counts[word[start:end]] += times
    return _log_shares({p: n for p, n in counts.items() if n >= min_count or len(p) == 1})


def expected_counts(
    word_counts: Mapping[str, int], log_probs: Mapping[str, float]
) -> defaultdict[str, float]:
    """E step: how often each item is used, on average over *all* segmentations.

    The segmentations are weighted by their probability. Forward and backward sums a(j), b(i); the
    item word[i:j] has posterior probability a(i) p(word[i:j]) b(j) / a(end).
    """
    expected: defaultdict[str, float] = defaultdict(float)
    for word, times in word_counts.items():
        n = len(word)
        places = [(i, j) for i in range(n) for j in range(i + 1, n + 1) if word[i:j] in log_probs]
        spans = [(i, j, math.exp(log_probs[word[i:j]])) for i, j in places]
        forward, backward = [1.0] + [0.0] * n, [0.0] * n + [1.0]
        for i, j, p in spans:  # ordered by start: forward[i] is complete when it is used
            forward[j] += forward[i] * p
        for i, j, p in reversed(spans):
            backward[i] += p * backward[j]
        for i, j, p in spans:
            expected[word[i:j]] += times * forward[i] * p * backward[j] / forward[n]
    return expected


def prune(
    word_counts: Mapping[str, int], log_probs: Mapping[str, float], size: int, shrink: float = 0.75
) -> dict[str, float]:
    """Keep the items whose removal would cost most.

    At least ``size`` are kept, and the share ``shrink`` of all.

    The cost of removing an item: its expected count times the drop in log-probability when its
    place is taken by the best segmentation of it into other items. Single characters stay, so that
    nothing becomes unknown.
    """
    counts = expected_counts(word_counts, log_probs)

    def cost(piece: str) -> float:
        if len(piece) == 1:
            return math.inf
        others = {other: p for other, p in log_probs.items() if other != piece and other in piece}
        return counts[piece] * (log_probs[piece] - best_segmentation(piece, others)[1])

    keep = max(size, int(shrink * len(log_probs)))
    kept = sorted(log_probs, key=lambda piece: (-cost(piece), piece))[:keep]
    return _log_shares({piece: max(counts[piece], 1e-6) for piece in kept})


def train_unigram(
    word_counts: Mapping[str, int], size: int, *, max_length: int = 8
) -> dict[str, float]:
    """Learn ``size`` items and their log-probabilities, from too many down (Kudo 2018).

    EM and pruning take turns. The library differs in detail: it finds the seeds with a suffix
    array, and its M step, after Liang and Klein, puts digamma in the logarithm's place, which
    starves rare items; so compare results, not digits.
    Raises ValueError if ``size`` is smaller than the number of characters.
    """
    log_probs = seed_pieces(word_counts, max_length)
    characters = sum(len(piece) == 1 for piece in log_probs)
    if size < characters:
        raise ValueError(
            f"size={size} is less than the {characters} characters of the text, which all stay in"
        )
    while True:
        for _ in range(2):
            counts = expected_counts(word_counts, log_probs)
            log_probs = _log_shares({piece: max(counts[piece], 1e-6) for piece in log_probs})
        if len(log_probs) <= size:
            return log_probs
        log_probs = prune(word_counts, log_probs, size)


def _log_shares(counts: Mapping[str, float]) -> dict[str, float]:
    total = math.log(sum(counts.values()))
    return {piece: math.log(count) - total for piece, count in counts.items()}
