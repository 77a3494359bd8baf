"""What a score has to beat: guessing, and methods without any pre-training.

majority       the commonest class                       of tagged words: ``O`` everywhere
bag of words   logistic regression on TF-IDF of words and pairs of words          (texts and pairs)
look-up        each word's commonest tag in training, ``O`` for a new word        (tagged words)

    tf-idf(w, text) = (1 + ln count) (ln((1 + texts) / (1 + texts with w)) + 1), each text scaled to
    length 1

A text classifier that does not beat the bag of words has learnt which words occur, and nothing of
their order. Of a pair, the words that both texts share stand beside the two bags.

Cost: seconds for ten thousand texts.

Sources: Sparck Jones 1972 (doi:10.1108/eb026526), Wang and Manning 2012
(https://aclanthology.org/P12-2018: how strong such baselines are).

>>> texts = [("good fun", 1), ("bad fun", 0), ("good", 1), ("so good", 1)]
>>> train = [Example(text, label, text) for text, label in texts]
>>> new = [Example("bad", 0, ""), Example("good good", 1, "")]
>>> majority(train, train[:2]), bag_of_words(train, new)
([1, 1], [0, 1])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import torch

from course_lib.data import Example, PairExample, Task, TokenExample, TokenTask
from course_lib.evaluation import Interval

from .kinds import judge
from .rows import kind_of

Texts = Sequence[Example | PairExample]
Tagged = Sequence[TokenExample]


def majority(train: Texts, examples: Texts) -> list[int]:
    """The commonest class of ``train`` for every example.

    Raises ValueError if ``train`` is empty.
    """
    kind_of(train)
    commonest = Counter(example.label for example in train).most_common(1)[0][0]
    return [commonest] * len(examples)


def bag_of_words(train: Texts, examples: Texts, *, strength: float = 10.0) -> list[int]:
    """Logistic regression on TF-IDF: the class of each example.

    strength: the inverse of the penalty on the weights, scikit-learn's ``C``.
    Raises ValueError if ``train`` is empty.
    """
    from sklearn.linear_model import LogisticRegression

    if len({example.label for example in train}) < 2:
        return majority(train, examples)
    features, others = _features(train, examples)
    model = LogisticRegression(C=strength, max_iter=1000)
    return model.fit(features, [e.label for e in train]).predict(others).tolist()


def _texts(examples: Texts) -> list[tuple[str, ...]]:
    """The text of each example, or the two of a pair."""
    return [(e.first, e.second) if isinstance(e, PairExample) else (e.text,) for e in examples]


def _features(train: Texts, examples: Texts) -> tuple:
    """Sparse matrices of both sides, with the vocabulary and the weights of ``train``."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    def bag():
        return TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)[\w'’]+|[^\w\s]"
        )

    counts = bag().fit([text for texts in _texts(train) for text in texts])
    sides = [_texts(side) for side in (train, examples)]
    if kind_of(train) != "pair":
        return tuple(counts.transform([text for (text,) in side]) for side in sides)
    matrices = []
    for side in sides:
        first, second = (counts.transform([pair[i] for pair in side]) for i in (0, 1))
        both = first.multiply(second)
        matrices.append(hstack([first, second, both, both.sum(1)]).tocsr())
    return tuple(matrices)


def look_up(train: Tagged, examples: Tagged, outside: int = 0) -> list[list[int]]:
    """For each word the tag that it had most often in ``train``, case ignored.

    outside: the tag of a new one.
    """
    seen: dict[str, Counter] = {}
    for example in train:
        for word, tag in zip(example.word_texts, example.tags, strict=True):
            seen.setdefault(word.casefold(), Counter())[tag] += 1
    best = {word: tags.most_common(1)[0][0] for word, tags in seen.items()}
    return [
        [best.get(word.casefold(), outside) for word in example.word_texts] for example in examples
    ]


def baseline_scores(
    task: Task | TokenTask,
    split: str = "test",
    *,
    train: Texts | Tagged | None = None,
) -> dict[str, dict[str, Interval]]:
    """The scores of the baselines that fit the task, by name, as ``kinds.judge`` gives them.

    train: examples to learn from, in place of all of ``task.train``.
    Raises ValueError for a task of spans, which has none of these.
    """
    train, examples = task.train if train is None else train, task.examples(split)
    kind = kind_of(train)
    if kind == "span":
        raise ValueError(
            "spans have no baseline here: compare with an encoder that was not pre-trained"
        )
    found: dict[str, Sequence]
    if kind == "words":
        words, asked = cast(Tagged, train), cast(Tagged, examples)
        found = {"majority": [[0] * len(e.tags) for e in asked], "look-up": look_up(words, asked)}
    else:
        texts, new = cast(Texts, train), cast(Texts, examples)
        found = {"majority": majority(texts, new), "bag of words": bag_of_words(texts, new)}
    return {
        name: judge(
            kind, examples, guessed, task.labels, generator=torch.Generator().manual_seed(0)
        )
        for name, guessed in found.items()
    }
