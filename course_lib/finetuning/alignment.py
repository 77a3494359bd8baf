"""Labels are on words, the model reads pieces of words: carrying the ones to the other and back.

    words      Aard        vark        eats      .          tags      B-x  I-x  O  O
    pieces     [CLS] aa ##rd  va ##rk  eats  .  [SEP]       labels    -100 B -100 I -100 O O -100

A word is learnt and judged on its first piece; its other pieces, and the specials, get -100 and
take no part in the loss (Devlin et al. 2019, section 5.3). With ``continuation="inside"`` they are
labelled too, ``I-x`` after ``B-x`` or ``I-x``. Long words then weigh more, and the number of labels
depends on the tokenizer.

What decides is the place in the text: a piece belongs to the first word that it overlaps. That
holds for pieces that carry the space before them (byte-level BPE), and for a tokenizer that cuts
the text otherwise than the words are cut: a word of which no piece begins inside has no label, and
is judged as ``O``.

Cost: linear in pieces and words.

>>> offsets = [(0, 0), (0, 2), (2, 4), (5, 9), (0, 0)]   # [CLS] aa ##rd eats [SEP]
>>> project([(0, 4), (5, 9)], [3, 0], offsets)
[-100, 3, -100, 0, -100]
"""

from __future__ import annotations

from collections.abc import Sequence

from course_lib.batch import IGNORE
from course_lib.data.tasks.tags import read_tag
from course_lib.data.tasks.words import is_mark

Span = tuple[int, int]
CONTINUATIONS = ("ignore", "inside")


def word_of_pieces(words: Sequence[Span], offsets: Sequence[Span]) -> list[int]:
    """For each piece the number of the word that it belongs to, -1 for specials and what stands
    between words.

    words, offsets: (start, stop) in characters of the same text, each in order; (0, 0) for
        specials.

    >>> word_of_pieces([(0, 3), (4, 7)], [(0, 0), (0, 2), (2, 3), (3, 7), (0, 0)])
    [-1, 0, 0, 1, -1]
    """
    found, at = [], 0
    for start, stop in offsets:
        if start == stop:
            found.append(-1)
            continue
        while at < len(words) and words[at][1] <= start:
            at += 1
        inside = at < len(words) and words[at][0] < stop
        found.append(at if inside else -1)
    return found


def first_pieces(words: Sequence[Span], offsets: Sequence[Span]) -> list[int]:
    """For each word the number of its first piece, -1 if it has none (cut off, or dropped by the
    normaliser).
    """
    first = [-1] * len(words)
    for piece, word in enumerate(word_of_pieces(words, offsets)):
        if word >= 0 and first[word] < 0:
            first[word] = piece
    return first


def project(
    words: Sequence[Span],
    tags: Sequence[int],
    offsets: Sequence[Span],
    *,
    continuation: str = "ignore",
    inside: Sequence[int] | None = None,
) -> list[int]:
    """A label for each piece: the tag of its word on the first piece, -100 on specials.

    words, tags: equally many.  offsets: of the pieces.
    continuation: "ignore" (-100 on the other pieces of a word) or "inside" (``inside[tag]`` on
        them: see ``inside_of``).

    Raises ValueError for unequal lengths, an unknown continuation, or "inside" without the table.
    """
    if len(words) != len(tags):
        raise ValueError(f"one tag a word: got {len(words)} words and {len(tags)} tags")
    if continuation not in CONTINUATIONS or continuation == "inside" and inside is None:
        raise ValueError(
            f"continuation must be one of {CONTINUATIONS}, got {continuation!r}; 'inside' needs "
            "the table inside=inside_of(labels)"
        )
    labels, before = [], -1
    for word in word_of_pieces(words, offsets):
        if word < 0:
            labels.append(IGNORE)
        elif word != before:
            labels.append(tags[word])
        elif continuation == "ignore" or inside is None:
            labels.append(IGNORE)
        else:
            labels.append(inside[tags[word]])
        before = word if word >= 0 else before
    return labels


def inside_of(labels: Sequence[str]) -> list[int]:
    """For each BIO tag the one that goes on: ``I-x`` for ``B-x``; itself for the others.

    Raises ValueError if ``I-x`` is not among the labels, and for schemes that mark the end of a
    piece (BIOES): which part of a word is the last is not in a table.

    >>> inside_of(("O", "B-x", "I-x"))
    [0, 2, 2]
    """
    table = []
    for label in labels:
        place, _ = read_tag(label)
        if place in "ES":
            raise ValueError(
                f"labels has {label!r}, which says where a piece ends: continuation='inside' needs "
                "BIO tags; take continuation='ignore'"
            )
        goes_on = f"I{label[1:]}" if place == "B" else label
        if goes_on not in labels:
            raise ValueError(f"labels has {label!r} but not {goes_on!r}: give it both")
        table.append(labels.index(goes_on))
    return table


def piece_span(start: int, stop: int, offsets: Sequence[Span]) -> Span | None:
    """The first and the last piece that overlap the characters ``start`` .. ``stop``; ``None``
    if none does. A piece that reaches out of the span is taken whole.

    >>> piece_span(5, 9, [(0, 0), (0, 4), (5, 7), (7, 9), (0, 0)])
    (2, 3)
    """
    touched = [i for i, (a, b) in enumerate(offsets) if a < stop and b > start]
    return (touched[0], touched[-1]) if touched else None


def with_marks(text: str, offsets: Sequence[Span]) -> list[Span]:
    """The offsets, each piece with the combining marks behind it that no piece covers.

    A normaliser that strips accents, or joins them with their letter, drops them from the offsets;
    an answer that is read off the pieces would lose them.

    >>> with_marks("cafe\\u0301 noir", [(0, 4), (6, 10)])
    [(0, 5), (6, 10)]
    """
    grown = []
    for i, (start, stop) in enumerate(offsets):
        bound = offsets[i + 1][0] if i + 1 < len(offsets) else len(text)
        while start < stop < bound and is_mark(text[stop]):
            stop += 1
        grown.append((start, stop))
    return grown
