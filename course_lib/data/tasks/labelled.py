"""Labelled examples that are more than a text with a class: pairs, tagged words, spans that answer.

======  ==============  ==============================================  =======================
kind    record          what is asked                                   tasks
======  ==============  ==============================================  =======================
text    Example         the class of a text                             ``Task``
pair    PairExample     the class of two texts                          ``Task``
words   TokenExample    a tag for each word                             ``TokenTask``
span    SpanExample     where in the text the answer stands             ``SpanTask``
======  ==============  ==============================================  =======================

Tags are BIO (``tags``); what a word is stands in ``words``.

Cost: linear in the text.

>>> pieces, labels = [(6, 14, "place")], ("O", "B-place", "I-place")
>>> example = TokenExample.of_spans("Go to New York now", pieces, labels, group="g")
>>> example.word_texts, example.tags
(['Go', 'to', 'New', 'York', 'now'], (0, 0, 1, 2, 0))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from course_lib.settings import settle

from ..records import SPLITS, of_split
from .tags import bio_tags, check_labels
from .words import trimmed, word_spans

Span = tuple[int, int]


@dataclass(frozen=True)
class TokenExample:
    """A text cut into words, and a tag for each.

    words: (start, stop) of each word in ``text``, in order.
    tags: one a word; they index ``TokenTask.labels``.
    group: what must not be in two splits.

    Raises ValueError for unequal lengths, or words that overlap, are empty or leave the text.
    """

    text: str
    words: tuple[Span, ...]
    tags: tuple[int, ...]
    group: str

    def __post_init__(self) -> None:
        settle(self)
        if len(self.words) != len(self.tags):
            raise ValueError(
                f"one tag a word: got {len(self.words)} words and {len(self.tags)} tags"
            )
        before = 0
        for start, stop in self.words:
            if not before <= start < stop <= len(self.text):
                raise ValueError(
                    f"word ({start}, {stop}) is empty, overlaps another or leaves the text of "
                    f"{len(self.text)} characters"
                )
            before = stop

    @property
    def word_texts(self) -> list[str]:
        """The words themselves."""
        return [self.text[start:stop] for start, stop in self.words]

    @classmethod
    def of_spans(
        cls,
        text: str,
        pieces: Iterable[tuple[int, int, str]],
        labels: Sequence[str],
        *,
        group: str,
    ) -> TokenExample:
        """From pieces (start, stop, kind) in characters. Raises ValueError as ``bio_tags`` does."""
        words = word_spans(text)
        return cls(text, tuple(words), tuple(map(labels.index, bio_tags(words, pieces))), group)

    @classmethod
    def of_words(cls, words: Sequence[str], tags: Sequence[int], *, group: str) -> TokenExample:
        """From words that were cut elsewhere; the text is their join by spaces."""
        spans, at = [], 0
        for word in words:
            spans.append((at, at + len(word)))
            at += len(word) + 1
        return cls(" ".join(words), tuple(spans), tuple(tags), group)


@dataclass(frozen=True)
class SpanExample:
    """A question, a text, and where in it the answer stands: ``text[start:stop]``.

    group: as everywhere.

    Raises ValueError for a span that is empty or leaves the text, or holds nothing to be seen.
    """

    question: str
    text: str
    start: int
    stop: int
    group: str

    def __post_init__(self) -> None:
        settle(self)
        if not 0 <= self.start < self.stop <= len(self.text):
            raise ValueError(
                f"the answer {self.start} .. {self.stop} is empty or leaves the text of "
                f"{len(self.text)} characters"
            )
        if not trimmed(self.text, (self.start, self.stop)):
            raise ValueError(
                f"the answer {self.start} .. {self.stop} is {self.answer!r}, only white space or "
                "invisible characters: mark the words that answer, or leave the example out"
            )

    @property
    def answer(self) -> str:
        """The words that answer."""
        return self.text[self.start : self.stop]


def _check_groups(task: TokenTask | SpanTask) -> None:
    groups = [{e.group for e in getattr(task, split)} for split in SPLITS]
    if sum(map(len, groups)) != len(set.union(*groups)):
        raise ValueError(f"task {task.name!r} has a group in two splits; split by group")


def _describe(task: TokenTask | SpanTask, details) -> str:
    lines = [task.name]
    for split in SPLITS:
        examples = task.examples(split)
        n_groups = len({e.group for e in examples})
        lines.append(
            f"{split:<10}  {len(examples):>6,} examples  {n_groups:>5,} groups  {details(examples)}"
        )
    return "\n".join([*lines, f"Licence: {task.licence}", *filter(None, [task.notes])])


@dataclass(frozen=True)
class TokenTask:
    """Tagged words in three splits that share no group.

    labels: the tags of one of ``tags.SCHEMES``, ``O`` first.
    notes: how it was made, and its limits.

    Raises ValueError for other labels, tags that index none, and groups in two splits.
    """

    name: str
    licence: str
    labels: tuple[str, ...]
    train: tuple[TokenExample, ...]
    validation: tuple[TokenExample, ...]
    test: tuple[TokenExample, ...]
    notes: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        check_labels(self.labels)
        _check_groups(self)
        examples = [e for split in SPLITS for e in getattr(self, split)]
        if wrong := {t for e in examples for t in e.tags} - set(range(len(self.labels))):
            raise ValueError(f"tags must be 0 .. {len(self.labels) - 1}, got {sorted(wrong)}")

    def examples(self, split: str) -> tuple[TokenExample, ...]:
        """The examples of ``split``. Raises UnknownName for another name than the three."""
        return of_split(self, split)

    def describe(self) -> str:
        """Examples, groups and share of tagged words of each split, licence and notes, as text."""

        def details(examples: Sequence[TokenExample]) -> str:
            tags = [tag for e in examples for tag in e.tags]
            tagged = sum(tag > 0 for tag in tags) / max(1, len(tags))
            return f"{len(tags):,} words, {tagged:.1%} tagged"

        return _describe(self, details)


@dataclass(frozen=True)
class SpanTask:
    """Questions with spans that answer them, in three splits that share no group.

    notes: as in ``TokenTask``.
    """

    name: str
    licence: str
    train: tuple[SpanExample, ...]
    validation: tuple[SpanExample, ...]
    test: tuple[SpanExample, ...]
    notes: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _check_groups(self)

    def examples(self, split: str) -> tuple[SpanExample, ...]:
        """The examples of ``split``. Raises UnknownName for another name than the three."""
        return of_split(self, split)

    def describe(self) -> str:
        """Examples, groups and mean lengths of each split, the licence, and the notes, as text."""

        def details(examples: Sequence[SpanExample]) -> str:
            n = max(1, len(examples))
            text = sum(len(e.text) for e in examples) / n
            answer = sum(e.stop - e.start for e in examples) / n
            return f"texts of {text:.0f} characters, answers of {answer:.0f}"

        return _describe(self, details)
