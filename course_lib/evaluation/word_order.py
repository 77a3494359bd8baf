"""Minimal pairs without an annotator: a sentence, and the same with two neighbours exchanged.

A score of sentences knows something of word order if it prefers the original. Chance is one half,
and any score that ignores order (unigram, bag of words) is exactly at chance, because both
sentences hold the same words. The other side of being cheap: not every exchange makes a bad
sentence ("slowly he went", "he slowly went"), so nobody reaches 100 %.

Cost: nothing. Source of the idea of minimal pairs: Linzen et al. 2016 (arXiv:1611.01368), Warstadt
et al. 2020 (arXiv:1912.00582), who use harder pairs made by rules of grammar.

>>> exchange("The city is old and large.", 1)
'The is city old and large.'
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import torch

from course_lib.tokenization.texts import checked_texts

SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")


class Pair(NamedTuple):
    """original: as somebody wrote it.  exchanged: the same with two neighbours exchanged."""

    original: str
    exchanged: str


def exchange(sentence: str, i: int) -> str:
    """The sentence with words i and i + 1 in the other order; words are what stands between spaces.

    Raises ValueError if there is no word i + 1.
    """
    words = sentence.split()
    if not 0 <= i < len(words) - 1:
        raise ValueError(
            f"i must be from 0 to {len(words) - 2} in a sentence of {len(words)} words, got {i}"
        )
    words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def swapped_pairs(
    texts: Iterable[str],
    limit: int,
    *,
    generator: torch.Generator,
    shortest: int = 7,
    longest: int = 18,
) -> list[Pair]:
    """At most ``limit`` pairs from the sentences of ``texts``, drawn without repetition.

    Taken are sentences of ``shortest`` to ``longest`` words that begin with a capital, end with a
    full stop and hold letters only. The first and the last word stay (capital and full stop would
    give the answer away), and two equal words are not exchanged. At most ten sentences of one text.

    Raises ValueError if there is none, and TypeError if ``texts`` is one string or holds what is
    none.
    """
    found = []
    for text in checked_texts(texts):
        sentences = [s for s in SENTENCE.split(text) if _fits(s, shortest, longest)]
        for sentence in sentences[:10]:
            words = sentence.lower().split()
            places = [i for i in range(1, len(words) - 2) if words[i] != words[i + 1]]
            i = places[int(torch.randint(len(places), (), generator=generator))] if places else None
            if i is not None:
                found.append(Pair(" ".join(sentence.split()), exchange(sentence, i)))
    if not found:
        raise ValueError(
            f"no sentence of {shortest} to {longest} words, letters only, is in the texts"
        )
    return [found[i] for i in torch.randperm(len(found), generator=generator)[:limit].tolist()]


def _fits(sentence: str, shortest: int, longest: int) -> bool:
    words = sentence.rstrip(".").split()
    return (
        shortest <= len(words) <= longest
        and sentence.endswith(".")
        and sentence[0].isupper()
        and all(word.isalpha() for word in words)
    )
