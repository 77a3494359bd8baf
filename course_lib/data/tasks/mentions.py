"""Two tasks out of the links that Wikipedia's authors set: names, and words that mean a title.

``names``: tag the words of a sentence that name something (BIO, one kind). A writer marks a name by
linking it, but only the first time, so for each article:

    1. every linked text that begins with a capital is a name of this article
    2. each later mention of the same words in the article is marked too
    3. a sentence is kept if all its capitals are explained: each capitalised word, the first of the
       sentence, months, days and ``I`` aside, lies in a name. What is left is nearly free of names
       that nobody marked.
    4. the text is put in lower case, for otherwise the capitals would be the answer

So labels are people's links, completed by rule. Titles of works and adjectives (*English*) count as
names where they were linked.

``link-spans``: find the words that mean a given title. The question is the title of the linked
article, the text a sentence, the answer the words that its author linked. Only links whose title
does not stand in the sentence are kept: looking for the same words finds nothing.

Both are split by article, 15 % in each of validation and test, by the hash of the corpus
``wikipedia``. Articles in the first third of what is held out were held out of the corpus too; an
encoder that was pre-trained on its train part has read the others, without the labels. Cost: about
a second.

>>> sentences("He died. In 1911 the U.S. bought it.")
[(0, 8), (9, 36)]
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from ..records import SPLITS, Corpus, Document, Link, normalise, split_of
from ..stored_corpus import StoredCorpus
from .labelled import SpanExample, SpanTask, TokenExample, TokenTask
from .tags import bio_names
from .words import word_spans

HELD_OUT = 0.15
SHORTEST, LONGEST = 30, 300  # characters of a sentence
END = re.compile(r"(?<=[a-z0-9)\]\"”’][.!?])\s+(?=[A-Z\"“(])|\n+")
BRACKET = re.compile(r"\s*\([^)]*\)$")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
          "October", "November", "December")  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NO_NAMES = frozenset(["I", *MONTHS, *DAYS])
Span = tuple[int, int]


def sentences(text: str) -> list[Span]:
    """(start, stop) of each sentence.

    It goes up to a full stop after a small letter that a capital follows, or to a new line.
    """
    cuts = [(0, 0), *(match.span() for match in END.finditer(text)), (len(text), len(text))]
    return [(a, b) for (_, a), (b, _) in itertools.pairwise(cuts) if text[a:b].strip()]


def names_task(corpus: Corpus | StoredCorpus) -> TokenTask:
    """Tagged names, from the corpus ``wikipedia``."""
    labels = bio_names(["name"])

    def examples(document: Document, group: str) -> Iterator[TokenExample]:
        pieces = names_of(document)
        for start, stop in _usable(document.text):
            inside = [(a - start, b - start) for a, b in _within(pieces, start, stop)]
            text = document.text[start:stop]
            lowered = text.lower()
            if not inside or len(lowered) != len(text):
                continue
            if whole_words(text, inside) and explained(text, inside):
                names = [(*piece, "name") for piece in inside]
                yield TokenExample.of_spans(lowered, names, labels, group=group)

    notes = (
        "Names are what Wikipedia's authors linked with a capital, with later mentions of the "
        "same words in the article; kept are sentences in which every capital is explained by a "
        "name, and then put in lower case. Completed by rule, not checked by hand."
    )
    return TokenTask("names", corpus.licence, labels, **_split(corpus, examples), notes=notes)


def link_spans_task(corpus: Corpus | StoredCorpus) -> SpanTask:
    """Questions that are titles, with the linked words that answer, from ``wikipedia``."""

    def examples(document: Document, group: str) -> Iterator[SpanExample]:
        for start, stop in _usable(document.text):
            text = document.text[start:stop]
            links = [x for x in document.links if start <= x.start and x.end <= stop]
            for link in links:
                answer = (link.start - start, link.end - start)
                once = sum(x.target == link.target for x in links) == 1
                if once and asks(link, text) and whole_words(text, [answer]):
                    yield SpanExample(link.target, text, *answer, group)

    notes = (
        "The question is the title of a linked article, the answer the words that were linked. "
        "Only links whose title does not stand in the sentence. One link is right; other words of "
        "the sentence may mean the same."
    )
    return SpanTask("link-spans", corpus.licence, **_split(corpus, examples), notes=notes)


def _split(corpus: Corpus | StoredCorpus, examples) -> dict[str, tuple]:
    splits: dict[str, list] = {split: [] for split in SPLITS}
    seen = set()
    for document in sorted((d for s in SPLITS for d in corpus.documents(s)), key=lambda d: d.title):
        group = f"wikipedia/{document.title}"
        for example in examples(document, group):
            key = normalise(f"{getattr(example, 'question', '')} {example.text}")
            if key not in seen:
                seen.add(key)
                splits[split_of(group, HELD_OUT)].append(example)
    return {split: tuple(found) for split, found in splits.items()}


def _usable(text: str) -> Iterator[Span]:
    return (
        (a, b)
        for a, b in sentences(text)
        if SHORTEST <= b - a <= LONGEST and text[b - 1] in ".!?" and text[a].isupper()
    )


def names_of(document: Document) -> list[Span]:
    """Where names stand in ``document``: capitalised links, and the same words elsewhere.

    The longest are looked for first, and none lies in another.
    """
    text = document.text
    linked = {(link.start, link.end) for link in document.links if text[link.start].isupper()}
    texts = sorted({text[a:b] for a, b in linked}, key=lambda t: (-len(t), t))
    taken = [False] * len(text)
    for link in document.links:  # a link that is no name holds none either
        taken[link.start : link.end] = [True] * (link.end - link.start)
    found = set(linked)
    if texts:
        again = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, texts))})(?!\w)")
        for match in again.finditer(text):
            if not any(taken[match.start() : match.end()]):
                found.add(match.span())
    return sorted(found)


def _within(pieces: Sequence[Span], start: int, stop: int) -> Iterable[Span]:
    for a, b in pieces[bisect_left(pieces, (start, start)) :]:
        if a >= stop:
            return
        if b <= stop:
            yield a, b


def whole_words(text: str, pieces: Sequence[Span]) -> bool:
    """Whether each piece begins where a word begins and ends where one ends.

    >>> whole_words("the 1980s", [(4, 8)]), whole_words("the 1980s", [(4, 9)])
    (False, True)
    """
    starts, stops = (set(ends) for ends in zip(*word_spans(text), strict=True))
    return all(a in starts and b in stops for a, b in pieces)


def explained(text: str, names: Sequence[Span]) -> bool:
    """Whether each capitalised word lies in a name.

    The first word, months, days and ``I`` may stand outside.

    >>> explained("In May the Nile floods.", [(11, 15)])
    True
    >>> explained("In May the Nile floods Egypt.", [(11, 15)])
    False
    """
    words = word_spans(text)
    for i, (a, b) in enumerate(words):
        inside = any(a < stop and b > start for start, stop in names)
        if i and not inside and any(c.isupper() for c in text[a:b]) and text[a:b] not in NO_NAMES:
            return False
    return True


def asks(link: Link, text: str) -> bool:
    """Whether the title of ``link`` can't be found in ``text`` by looking for its words.

    >>> text = "He ruled the Ottomans from 1520."
    >>> asks(Link(9, 21, "Ottoman Empire"), text), asks(Link(9, 21, "Ottomans"), text)
    (True, False)
    """
    title, words = normalise(BRACKET.sub("", link.target)), normalise(text[:])
    return bool(title) and title not in words and len(link.target) <= 60
