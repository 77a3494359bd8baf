"""Tags of words: which of them make a piece (a name, a slot), and of what kind.

BIO (Ramshaw and Marcus 1995, https://aclanthology.org/W95-0107, in the form of CoNLL-2003):
``B-x`` on the first word of a piece of kind x, ``I-x`` on its other words, ``O`` outside. Without
the B, two pieces side by side would be one. Other people's schemes are read too (``SCHEMES``); tags
that mark no pieces, such as parts of speech, are refused.

Cost: linear in the words.

>>> bio_tags([(0, 3), (4, 8), (9, 12)], [(0, 8, "place")])
['B-place', 'I-place', 'O']
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .words import Span

PLACES = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S"}
"""Where in its piece a word stands, by the first letter of its tag: L (last) is E (end), U (unit)
is S (single).
"""
SCHEMES = {"BIO or IOB1": "BI", "IO": "I", "IOE": "IE", "BIOES": "BIES", "BILOU": "BILU"}
"""The first letters of the tags of each scheme, ``O`` aside."""


def bio_names(kinds: Iterable[str]) -> tuple[str, ...]:
    """The tags for these kinds of pieces, ``O`` first.

    >>> bio_names(["area", "name"])
    ('O', 'B-area', 'I-area', 'B-name', 'I-name')
    """
    return ("O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))


def read_tag(tag: str) -> tuple[str, str]:
    """(place in the piece, kind) of a tag: B, I, E or S, and ``O`` outside. A tag without a kind
    has the kind ``_``.

    Raises ValueError for a tag of no scheme.

    >>> read_tag("B-work-of-art"), read_tag("U-x"), read_tag("I"), read_tag("O")
    (('B', 'work-of-art'), ('S', 'x'), ('I', '_'), ('O', ''))
    """
    if tag == "O":
        return "O", ""
    if not isinstance(tag, str) or tag[:1] not in PLACES or tag[1:2] not in ("", "-"):
        raise ValueError(
            f"{tag!r} marks no piece: a tag is 'O', or one of {', '.join(PLACES)} with a hyphen "
            "and a kind, such as 'B-name'. Convert tags of another scheme; for classes of single "
            "words (parts of speech) count with classification_scores"
        )
    return PLACES[tag[0]], tag[2:] or "_"


def check_labels(labels: Sequence[str]) -> None:
    """Raise ValueError unless these are the tags of one of ``SCHEMES``, ``O`` first."""
    if not labels or labels[0] != "O":
        raise ValueError(
            f"labels must have 'O' first (what is cut off is judged as it), got {tuple(labels)}"
        )
    if len(set(labels)) < len(labels):
        raise ValueError(f"labels names a tag twice: {tuple(labels)}")
    for label in labels:
        read_tag(label)
    letters = {label[0] for label in labels[1:]}
    # of BIO every part will do; with an end or a single, all letters of the scheme are needed
    if not letters <= {"B", "I"} and letters not in map(set, SCHEMES.values()):
        schemes = "; ".join(f"{name}: {', '.join(own)}" for name, own in SCHEMES.items())
        raise ValueError(
            f"labels begin with {', '.join(sorted(letters))}, which is no scheme ({schemes}): give "
            "all tags of one, also those that do not occur"
        )


def bio_tags(words: Sequence[Span], pieces: Iterable[tuple[int, int, str]]) -> list[str]:
    """The tag of each word; a word that a piece touches is inside of it.

    pieces: (start, stop, kind) in characters.

    Raises ValueError for two pieces that share a word, and for one that touches no word.
    """
    tags = ["O"] * len(words)
    for start, stop, kind in sorted(pieces):
        touched = [i for i, (a, b) in enumerate(words) if a < stop and b > start]
        if not touched or any(tags[i] != "O" for i in touched):
            why = "shares a word with another" if touched else "touches no word"
            raise ValueError(f"the piece {kind!r} at {start} .. {stop} {why}")
        for i in touched:
            tags[i] = f"{'B' if i == touched[0] else 'I'}-{kind}"
    return tags
