"""A made-up language whose best possible answer is known: most words name the word that follows.

    p(next = x | word = w) = FOLLOWS [x = s(w)] + (1 - FOLLOWS) / n

n words, and s is a permutation of them: each word has one successor, and each is the successor of
one. All words are equally frequent, so whoever looks at no neighbour pays log n. What can be known
from the neighbours is known exactly, too (``evaluation.chain``). So a network that is trained for a
minute can be laid between two lines: what needs no language, and what nobody beats. On real text
the second line is unknown, and a minute is too short to leave the first.

Cost: a tenth of a second. No file is fetched.

>>> corpus = chain_corpus()
>>> corpus.texts("validation")[0].split()[:3]
['rin', 'nun', 'sun']
"""

from __future__ import annotations

import functools

import numpy as np

from .records import SPLITS, Corpus, Document

NAME = "chain"
WORDS = tuple(a + b + c for a in "bdfklmnrst" for b in "aiu" for c in "ns")
FOLLOWS = 0.8
DOCUMENTS = {"train": 2000, "validation": 150, "test": 150}
LENGTHS = (50, 90)


def successors() -> np.ndarray:
    """s: for each word, by its place in ``WORDS``, the place of the one that mostly follows."""
    return np.random.default_rng(0).permutation(len(WORDS))


def transitions() -> np.ndarray:
    """p(next | word), (n, n); rows and columns are doubly stochastic, as s is a permutation."""
    n = len(WORDS)
    law = np.full((n, n), (1 - FOLLOWS) / n)
    law[np.arange(n), successors()] += FOLLOWS
    return law


@functools.cache
def chain_corpus() -> Corpus:
    """Documents of 50 to 90 words in three splits; the same at every call."""
    rng, follows = np.random.default_rng(1), successors()
    splits = {
        split: tuple(Document.of(_text(rng, follows), NAME) for _ in range(DOCUMENTS[split]))
        for split in SPLITS
    }
    return Corpus(NAME, "none: made up by a program", **splits, notes="")


def _text(rng: np.random.Generator, follows: np.ndarray) -> str:
    length, n = int(rng.integers(*LENGTHS, endpoint=True)), len(WORDS)
    drawn, by_rule = rng.integers(n, size=length), rng.random(length) < FOLLOWS
    places = [int(drawn[0])]
    for i in range(1, length):
        places.append(int(follows[places[-1]] if by_rule[i] else drawn[i]))
    return " ".join(WORDS[place] for place in places)
