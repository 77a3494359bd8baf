"""Dropping repeats, so that a held-out loss measures language and not memory.

Three rules, applied to the documents in the order train, validation, test:

1. A passage (a line of 60 characters or more) that came before, up to case and white space, is
   dropped.
2. A held-out passage of which half the 8-word windows stand somewhere in train is dropped too:
   services and articles copy each other with a word changed. Brown et al. (2020, appendix C) clean
   their test sets of windows of 13 words.
3. A document of which nothing is left that was not seen before is dropped.

Train never loses anything to a held-out document. Cost: rule 2 hashes every window once, a few
seconds for 20 MB, and remembers only those of the held-out splits.

>>> sorted(len(window) for window in windows("one two three four five six seven eight nine"))
[8, 8]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .hashes import HashSet
from .records import SPLITS, Document, Link, normalise

PASSAGE = 60  # characters; headings and the briefest reviews are shorter and may repeat
WINDOW = 8  # words
MOST_SEEN = 0.5  # share of a held-out passage's windows that may stand in train
WORD = re.compile(r"\w+")


@dataclass
class Dropped:
    """Counts what went: passages and characters by rule 1, by rule 2, and whole documents."""

    repeated: int = 0
    similar: int = 0
    characters: int = 0
    documents: int = 0

    def __str__(self) -> str:
        return (
            f"Dropped: {self.repeated:,} repeated passages, {self.similar:,} held-out passages "
            f"that are half in train, {self.characters:,} characters in all; {self.documents:,} "
            "documents with nothing of their own"
        )


def drop_repeats(
    splits: dict[str, list[Document]],
) -> tuple[dict[str, tuple[Document, ...]], Dropped]:
    """``splits`` after the three rules, and what they dropped."""
    dropped, seen = Dropped(), set()
    in_train = _windows_in_train(splits)
    kept: dict[str, tuple[Document, ...]] = {}
    for split in SPLITS:
        known = set() if split == "train" else in_train
        documents = [without_repeats(document, seen, known, dropped) for document in splits[split]]
        kept[split] = tuple(document for document in documents if document)
        dropped.documents += documents.count(None)
    return kept, dropped


def windows(text: str) -> set[tuple[str, ...]]:
    """The sequences of ``WINDOW`` words of ``text``, in lower case."""
    words = WORD.findall(text.lower())
    return {tuple(words[i : i + WINDOW]) for i in range(len(words) - WINDOW + 1)}


def _windows_in_train(splits: dict[str, list[Document]]) -> set[int]:
    """Hashes of the held-out windows that stand in train."""
    wanted: set[int] = set()
    for split in SPLITS[1:]:
        for line in _passages(splits[split]):
            wanted.update(map(hash, windows(line)))
    found: set[int] = set()
    for line in _passages(splits["train"]) if wanted else ():
        found.update(wanted.intersection(map(hash, windows(line))))
    return found


def _passages(documents: Iterable[Document]) -> Iterable[str]:
    lines = (line for document in documents for line in document.text.split("\n"))
    return (line for line in lines if len(line) >= PASSAGE)


def is_known(line: str, known: set[int] | HashSet) -> bool:
    """Whether more than ``MOST_SEEN`` of the windows of ``line`` are in ``known`` (hashes)."""
    own = windows(line) if known else ()
    return bool(own) and sum(hash(w) in known for w in own) > MOST_SEEN * len(own)


def without_repeats(
    document: Document, seen: set[str] | HashSet, known: set[int] | HashSet, dropped: Dropped
) -> Document | None:
    """``document`` without the passages that are in ``seen`` or ``known``; its links move along.

    ``seen`` learns the others. The result is ``None`` if no line remains that was not in ``seen``.
    """
    kept, fresh = [], False
    for start, line in _lines(document.text):
        key = normalise(line)
        repeated = key in seen
        seen.add(key)
        if len(line) >= PASSAGE and (repeated or is_known(line, known)):
            dropped.repeated += repeated
            dropped.similar += not repeated
            dropped.characters += len(line)
        else:
            kept.append((start, line))
            fresh |= not repeated
    return _of_lines(document, kept) if fresh else None


def _lines(text: str) -> Iterable[tuple[int, str]]:
    at = 0
    for line in text.split("\n"):
        yield at, line
        at += len(line) + 1


def _of_lines(document: Document, kept: list[tuple[int, str]]) -> Document:
    """A document of some lines of ``document``, given with where they started."""
    text = "\n".join(line for _, line in kept)
    if text == document.text:
        return document
    links, at, end = [], 0, len(document.text)
    waiting = iter([*document.links, Link(end, end, "")])
    link = next(waiting)
    for start, line in kept:
        while link.start < start:
            link = next(waiting)
        while link.end <= start + len(line) and link.target:
            links.append(Link(link.start - start + at, link.end - start + at, link.target))
            link = next(waiting)
        at += len(line) + 1
    return Document.of(text, document.source, document.title, links)
