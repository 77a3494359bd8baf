"""Documents, corpora and labelled tasks, and the rule that splits them.

A document goes to a split by a hash of its *key* (the article, the cloud service, the film) and of
nothing else:

    u = first 53 bits of SHA-256(key) / 2^53
    test if u < 0.05, validation if u < 0.10, else train

So the split of a document does not depend on which others there are, on their order, or on a random
seed; adding one moves no other. The price is that the shares are 5 % only in expectation: of n
documents, the held-out share has a standard deviation of sqrt(0.05 · 0.95 / n). Cost: one hash a
document.

>>> split_of("wikipedia/Aardvark"), split_of("wikipedia/Aardvark")
('train', 'train')
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from course_lib.settings import settle

from .errors import unknown

SPLITS = ("train", "validation", "test")
MOST_SHOWN = 6  # classes whose shares are printed one by one
HELD_OUT = 0.05  # the share of documents in each of validation and test


class Link(NamedTuple):
    """A mention that a writer linked: ``text[start:end]`` in a document refers to ``target``."""

    start: int
    end: int
    target: str


@dataclass(frozen=True)
class Document:
    """A text with its origin. Paragraphs (passages, reviews) are lines of ``text``.

    id: 16 hexadecimal digits of the SHA-256 of ``text``: the same text has the same id everywhere.
    text: clean prose, not empty.
    source: the corpus it comes from, such as ``"wikipedia"``.
    title: article, service or film.
    links: linked mentions, in order and without overlap; their spans count characters of ``text``.

    Raises ValueError for an empty text, a wrong id, or a link outside of the text.
    """

    id: str
    text: str
    source: str
    title: str = ""
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        settle(self)
        if not self.text.strip():
            raise ValueError(
                f"document {self.title!r} of {self.source!r} has an empty text; leave it out"
            )
        if self.id != text_id(self.text):
            raise ValueError(
                f"id must be text_id(text) = {text_id(self.text)!r}, got {self.id!r}; use "
                "Document.of"
            )
        before = 0
        for link in self.links:
            if not before <= link.start < link.end <= len(self.text):
                raise ValueError(
                    f"link {link} overlaps another or leaves the text of {len(self.text)} "
                    "characters"
                )
            before = link.end

    @classmethod
    def of(cls, text: str, source: str, title: str = "", links: Iterable[Link] = ()) -> Document:
        """A document with the id of its text."""
        return cls(text_id(text), text, source, title, tuple(links))


def text_id(text: str) -> str:
    """16 hexadecimal digits of the SHA-256 of ``text``.

    Raises TypeError if it is no string, ValueError if it holds half a character.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, got {type(text).__name__}: leave the document out")
    try:
        return hashlib.sha256(text.encode()).hexdigest()[:16]
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text holds half a character, a lone surrogate, at place {error.start}: pass "
            "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from None


def split_of(key: str, held_out: float = HELD_OUT) -> str:
    """``"train"``, ``"validation"`` or ``"test"`` for a document's ``key``, by its SHA-256 alone.

    held_out: expected share of each of validation and test, between 0 and 0.5.
    """
    if not 0 <= held_out <= 0.5:
        raise ValueError(f"held_out must be between 0 and 0.5, got {held_out}")
    digest = hashlib.sha256(key.encode()).digest()
    u = (int.from_bytes(digest[:8], "big") >> 11) / 2**53
    return "test" if u < held_out else "validation" if u < 2 * held_out else "train"


def normalise(text: str) -> str:
    """What counts as the same text when repeats are dropped: case and white space do not matter."""
    return " ".join(text.casefold().split())


@dataclass(frozen=True)
class Corpus:
    """Documents in three splits that share none.

    name: as given to :func:`~course_lib.data.corpora.load_corpus`.
    licence: one line, the terms of the texts.
    """

    name: str
    licence: str
    train: tuple[Document, ...]
    validation: tuple[Document, ...]
    test: tuple[Document, ...]
    notes: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        ids = [document.id for split in SPLITS for document in getattr(self, split)]
        if len(ids) != len(set(ids)):
            raise ValueError(
                f"corpus {self.name!r} holds a document twice; drop repeats before splitting"
            )

    def texts(self, split: str = "train") -> list[str]:
        """The texts of ``split``, one string a document."""
        return [document.text for document in self.documents(split)]

    def documents(self, split: str) -> tuple[Document, ...]:
        """The documents of ``split``. Raises UnknownName for another name than the three."""
        return of_split(self, split)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the ids of all documents in order.

        It is equal if and only if the texts and splits are.
        """
        parts = [f"{split}:{document.id}" for split in SPLITS for document in getattr(self, split)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def counts(self) -> dict[str, tuple[int, int]]:
        """(documents, characters) for each split."""
        documents = {split: self.documents(split) for split in SPLITS}
        return {split: (len(ds), sum(len(d.text) for d in ds)) for split, ds in documents.items()}

    def describe(self) -> str:
        """Documents and characters of each split, and the licence, as text."""
        return describe_corpus(self.name, self.counts(), self.licence, self.notes)


def describe_corpus(
    name: str, counts: Mapping[str, tuple[int, int]], licence: str, notes: str
) -> str:
    """A line for each split with its (documents, characters), the licence, and the notes."""
    lines = [name]
    for split, (documents, characters) in counts.items():
        lines.append(f"{split:<10}  {documents:>6,} documents  {characters:>12,} characters")
    return "\n".join([*lines, f"Licence: {licence}", *filter(None, [notes])])


@dataclass(frozen=True)
class Example:
    """A labelled text.

    group: what must not be in two splits (the film that a sentence is about).
    """

    text: str
    label: int
    group: str

    def __post_init__(self) -> None:
        settle(self)


@dataclass(frozen=True)
class PairExample:
    """Two texts with one label. group: what must not be in two splits."""

    first: str
    second: str
    label: int
    group: str

    def __post_init__(self) -> None:
        settle(self)


@dataclass(frozen=True)
class Task:
    """Labelled examples in three splits that share neither a text nor a group.

    labels: the names of the classes; ``Example.label`` indexes them. notes: how it was made, and
        its limits.
    """

    name: str
    licence: str
    labels: tuple[str, ...]
    train: tuple[Example | PairExample, ...]
    validation: tuple[Example | PairExample, ...]
    test: tuple[Example | PairExample, ...]
    notes: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        groups = [{e.group for e in getattr(self, split)} for split in SPLITS]
        if sum(map(len, groups)) != len(set.union(*groups)):
            raise ValueError(f"task {self.name!r} has a group in two splits; split by group")
        wrong = {e.label for s in SPLITS for e in getattr(self, s)} - set(range(len(self.labels)))
        if wrong:
            raise ValueError(f"labels must be 0 .. {len(self.labels) - 1}, got {sorted(wrong)}")

    def examples(self, split: str) -> tuple[Example | PairExample, ...]:
        """The examples of ``split``. Raises UnknownName for another name than the three."""
        return of_split(self, split)

    def balance(self, split: str = "train") -> dict[str, float]:
        """The share of each class in ``split``.

        The largest is what always guessing that class scores.
        """
        chosen = [example.label for example in self.examples(split)]
        return {name: chosen.count(i) / max(len(chosen), 1) for i, name in enumerate(self.labels)}

    def describe(self) -> str:
        """Examples, groups and class shares of each split, and the licence, as text."""
        lines = [self.name]
        for split in SPLITS:
            examples = self.examples(split)
            balance = self.balance(split)
            shares = ", ".join(f"{name} {share:.1%}" for name, share in balance.items())
            if len(balance) > MOST_SHOWN:
                shares = f"{len(balance)} classes, the commonest {max(balance.values()):.1%}"
            n_groups = len({e.group for e in examples})
            lines.append(
                f"{split:<10}  {len(examples):>6,} examples  {n_groups:>5,} groups  {shares}"
            )
        return "\n".join([*lines, f"Licence: {self.licence}", *filter(None, [self.notes])])


def of_split(owner: object, split: str) -> tuple:
    """The examples or documents of ``split``. Raises UnknownName for another name."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    return getattr(owner, split)
