"""The made-up language follows its own law, within four standard errors."""

from itertools import pairwise

import numpy as np

from course_lib.data import load_corpus
from course_lib.data.chain import DOCUMENTS, FOLLOWS, LENGTHS, WORDS, successors, transitions


def pairs(split: str) -> np.ndarray:
    """(word, next word) by their places."""
    place = {word: i for i, word in enumerate(WORDS)}
    texts = [[place[w] for w in text.split()] for text in load_corpus("chain").texts(split)]
    return np.array([pair for text in texts for pair in pairwise(text)])


def test_words_and_law():
    assert len(set(WORDS)) == len(WORDS) == 60
    assert sorted(successors()) == list(range(60))
    law = transitions()
    np.testing.assert_allclose([law.sum(0), law.sum(1)], 1)


def test_the_texts_follow_the_law():
    word, following = pairs("train").T
    n, p = len(word), transitions()[0, successors()[0]]
    assert p == FOLLOWS + (1 - FOLLOWS) / 60
    right = (following == successors()[word]).mean()
    assert abs(right - p) < 4 * (p * (1 - p) / n) ** 0.5
    share = np.bincount(word, minlength=60) / n
    # neighbours depend on each other: a run of one cycle counts as about nine words
    assert abs(share - 1 / 60).max() < 4 * (9 / 60 / n) ** 0.5


def test_the_same_at_every_call_and_by_name():
    corpus = load_corpus("chain")
    assert corpus is load_corpus("chain")
    assert {s: len(corpus.documents(s)) for s in DOCUMENTS} == DOCUMENTS
    lengths = [len(text.split()) for split in DOCUMENTS for text in corpus.texts(split)]
    assert (min(lengths), max(lengths)) == LENGTHS
