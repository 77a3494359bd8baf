"""Subwords by merging, by hand: BPE and WordPiece in a few lines each, to be read; not to be fast.

Learning (Gage 1994; Sennrich et al. 2016, algorithm 1): start from characters; again and again make
the best adjacent pair of symbols one symbol. What is *best* is the criterion, with c the counts in
the text and N the number of symbols:

- ``frequency`` c(ab): byte-pair encoding. It is also what ``tokenizers`` does to train *WordPiece*.
- ``ratio`` c(ab) / (c(a) c(b)): what is often told of WordPiece. It prefers pairs of rare symbols.
- ``likelihood`` the gain in log-likelihood of the text under a unigram model of its symbols, which
  is how Schuster and Nakajima (2012) choose; nearly c(ab) log(N c(ab) / (c(a) c(b))).

Ties: the pair whose symbols came first into the vocabulary wins, as in ``tokenizers``.

Using the result: BPE replays the merges in the order learnt; WordPiece takes the longest item that
matches, from left to right, and ignores how it was learnt.

Cost: a merge recounts only the words that hold the pair, and looks at every pair once.

>>> learnt = train_merges({"low": 5, "lower": 2, "newest": 6, "widest": 3}, n_merges=4)
>>> learnt.merges
(('e', 's'), ('es', 't'), ('l', 'o'), ('lo', 'w'))
>>> encode_bpe("lowest", learnt.merges)
['low', 'est']
>>> encode_wordpiece("lowest", {"low", "lowe", "##st", "##est"})
['lowe', '##st']
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Pair = tuple[str, str]
CRITERIA = ("frequency", "ratio", "likelihood")


@dataclass(frozen=True)
class Learnt:
    """What training by merges found.

    vocabulary: items in the order of their numbers: characters first, then the merged ones.
    merges: the pairs in the order learnt. scores: what the criterion gave each of them.
    """

    vocabulary: tuple[str, ...]
    merges: tuple[Pair, ...]
    scores: tuple[float, ...]


def first_symbols(word: str, prefix: str = "") -> list[str]:
    """The characters of ``word``, all but the first with the continuation ``prefix``.

    >>> first_symbols("café", prefix="##")
    ['c', '##a', '##f', '##é']
    """
    return [c if i == 0 else prefix + c for i, c in enumerate(word)]


def join(a: str, b: str, prefix: str = "") -> str:
    """Two symbols as one: the right one loses its ``prefix``.

    >>> join("##e", "##r", "##")
    '##er'
    """
    return a + b.removeprefix(prefix)


def merge_pair(symbols: Sequence[str], pair: Pair, prefix: str = "") -> list[str]:
    """``symbols`` with every occurrence of ``pair`` made one symbol, from left to right.

    >>> merge_pair(["a", "a", "a", "b"], ("a", "a"))
    ['aa', 'a', 'b']
    """
    merged, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == pair:
            merged.append(join(*pair, prefix))
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return merged


def train_merges(
    word_counts: Mapping[str, int],
    n_merges: int,
    *,
    criterion: str = "frequency",
    prefix: str = "",
    alphabet: Iterable[str] | None = None,
) -> Learnt:
    """Learn ``n_merges`` merges from words and how often each occurs; fewer if nothing is left.

    prefix: what marks a symbol that continues a word: ``"##"`` for WordPiece, ``""`` for plain BPE.
    alphabet: the first symbols in their order, which decides ties; left out: those that occur,
        sorted by code point, the ones with the prefix last.
    Raises ValueError if the criterion is unknown, there are no words or ``n_merges`` is negative.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}")
    if n_merges < 0:
        raise ValueError(f"n_merges must not be negative, got {n_merges}")
    if not word_counts:
        raise ValueError(
            "word_counts is empty; count words first, for instance Counter(text.split())"
        )
    text = _Text(word_counts, prefix)
    symbols = _alphabet(text.words, prefix) if alphabet is None else alphabet
    numbers = {symbol: i for i, symbol in enumerate(symbols)}
    merges, scores = [], []
    for _ in range(n_merges):
        if not text.pairs:
            break
        pair, score = text.best(criterion, numbers)
        text.merge(pair)
        numbers.setdefault(join(*pair, prefix), len(numbers))
        merges.append(pair)
        scores.append(score)
    return Learnt(tuple(numbers), tuple(merges), tuple(scores))


def _alphabet(words: Iterable[Sequence[str]], prefix: str) -> list[str]:
    symbols = {symbol for word in words for symbol in word}
    return sorted(symbols, key=lambda s: (bool(prefix) and s.startswith(prefix) and s != prefix, s))


class _Text:
    """The distinct words as symbols, with the counts that the criteria need.

    The counts are kept up to date through merges.
    """

    def __init__(self, word_counts: Mapping[str, int], prefix: str) -> None:
        self.prefix = prefix
        self.words = [first_symbols(word, prefix) for word in word_counts]
        self.times = list(word_counts.values())
        self.symbols: Counter[str] = Counter()  # c(a)
        self.pairs: Counter[Pair] = Counter()  # c(ab)
        self.where: dict[Pair, set[int]] = defaultdict(set)  # the words that hold a pair
        for i in range(len(self.words)):
            self._count(i, +1)

    def _count(self, i: int, sign: int) -> None:
        word, times = self.words[i], sign * self.times[i]
        for symbol in word:
            self.symbols[symbol] += times
        for pair in pairwise(word):
            self.pairs[pair] += times
            if sign > 0:
                self.where[pair].add(i)
            elif not self.pairs[pair]:
                del self.pairs[pair]

    def merge(self, pair: Pair) -> None:
        """Join this pair in every word that has it; only those words are counted again."""
        for i in self.where.pop(pair):
            self._count(i, -1)
            self.words[i] = merge_pair(self.words[i], pair, self.prefix)
            self._count(i, +1)

    def best(self, criterion: str, numbers: Mapping[str, int]) -> tuple[Pair, float]:
        """The pair with the highest score, and the score; ties go to the older symbols.

        numbers: the age of each symbol.
        """
        scores = self.pairs if criterion == "frequency" else self._scores(criterion)
        top = max(scores.values())
        ties = [pair for pair, score in scores.items() if score == top]
        return min(ties, key=lambda pair: (numbers[pair[0]], numbers[pair[1]])), top

    def _scores(self, criterion: str) -> dict[Pair, float]:
        c, total = self.symbols, self.symbols.total()
        if criterion == "ratio":
            return {(a, b): count / (c[a] * c[b]) for (a, b), count in self.pairs.items()}
        pairs = self.pairs.items()
        return {(a, b): likelihood_gain(n, c[a], c[b], total, a == b) for (a, b), n in pairs}


def likelihood_gain(both: int, first: int, second: int, total: int, same: bool = False) -> float:
    """Nats by which the text's log-likelihood grows when a pair becomes one symbol.

    The model is a unigram model of symbols with its maximum-likelihood probabilities, so that the
    log-likelihood is the sum of c log c over the symbols, less N log N. ``both`` is c(ab),
    ``first`` c(a), ``second`` c(b), ``total`` N.
    """

    def f(count: int) -> float:
        return count * math.log(count) if count > 0 else 0.0

    if same:  # aa: each merge takes two of the same symbol
        parts = f(first - 2 * both) - f(first)
    else:
        parts = f(first - both) - f(first) + f(second - both) - f(second)
    return f(both) + parts - f(total - both) + f(total)


def encode_bpe(word: str, merges: Sequence[Pair], prefix: str = "") -> list[str]:
    """Replay the merges on one word: of the pairs present, the one learnt earliest comes first."""
    rank = {pair: i for i, pair in enumerate(merges)}
    symbols = first_symbols(word, prefix)
    while len(symbols) > 1:
        pair = min(pairwise(symbols), key=lambda p: rank.get(p, math.inf))
        if pair not in rank:
            break
        symbols = merge_pair(symbols, pair, prefix)
    return symbols


def encode_wordpiece(
    word: str, vocabulary: Iterable[str], prefix: str = "##", unknown: str = "[UNK]"
) -> list[str]:
    """Take the longest item that matches, from left to right.

    One place without a match and the *whole word* is unknown.

    >>> encode_wordpiece("cafés", {"c", "##a", "##f", "##s"})
    ['[UNK]']
    """
    vocabulary = set(vocabulary)
    pieces, start = [], 0
    while start < len(word):
        mark = prefix if start else ""
        ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary)
        end = next(ends, None)
        if end is None:
            return [unknown]
        pieces.append(mark + word[start:end])
        start = end
    return pieces
