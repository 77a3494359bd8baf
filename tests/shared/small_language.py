"""A small language with structure: what follows a word can be learned from few documents."""

import numpy as np


def small_language(n_documents: int, seed: int) -> list[str]:
    """Documents of words that follow each other by rule, so that context helps to guess one."""
    rng = np.random.default_rng(seed)
    words = [
        a + b
        for a in ("ba", "do", "ki", "lu", "me", "su")
        for b in ("n", "rt", "ss", "l", "mo", "ve")
    ]
    follows = np.random.default_rng(0).permutation(len(words))
    documents = []
    for _ in range(n_documents):
        word, text = rng.integers(len(words)), []
        for _ in range(rng.integers(8, 60)):
            text.append(words[word])
            word = follows[word] if rng.random() < 0.8 else rng.integers(len(words))
        documents.append(" ".join(text) + ".")
    return documents
