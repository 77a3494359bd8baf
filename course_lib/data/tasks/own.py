"""Your own labelled texts as a task: rows of .csv, .jsonl or .parquet, split by hash.

As everywhere, a group is on one side of the split, with 10 % in each of validation and test, and no
text is on two. Without a group each text is its own. A text that comes twice is kept once, up to
case and white space; one that comes with two labels is dropped. Files that are called train,
validation and test are these splits.

Labels are texts or whole numbers and not both; the classes are these, sorted (whole numbers by
their size). What can't be learnt from is an error with file and line, before anything is trained.

Cost: the rows are held in memory.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     rows = [f"sentence number {i},{'bad' if i % 3 else 'good'}" for i in range(100)]
...     path = Path(folder) / "mine.csv"
...     _ = path.write_text("\\n".join(["text,label", *rows]))
...     task = load_own_task(path, progress=False)
...     task.labels, task.train[0], len(task.train), len(task.validation), len(task.test)
(('bad', 'good'), Example(text='sentence number 0', label=1, group='sentence number 0'), 87, 8, 5)
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import unreadable
from ..own_files import own_files, short_name
from ..own_text import LICENCE, bytes_bar
from ..readers import FileRow, rows, text_of
from ..records import SPLITS, Example, Task, normalise, split_of

HELD_OUT = 0.1  # share of the groups in each of validation and test
KINDS = {str: "a text", int: "a whole number", bool: "true or false"}


class Labelled(NamedTuple):
    """A row: what it says, and where it stands."""

    split: str | None
    group: str
    text: str
    label: str
    place: str


def load_own_task(
    name: str | os.PathLike,
    *,
    text: str = "text",
    label: str = "label",
    group: str | None = None,
    progress: bool = True,
) -> Task:
    """The rows in a file, a folder or a pattern as a task; ``path`` is as for ``load_corpus``.

    text, label: the columns or fields.  group: the column with what must not be in two splits, such
    as an author or a thread.

    Raises UnreadableFile, with file and line, for a row without label, labels of two kinds, a class
    with one example or none in train, and for what can't be read; MissingExtra for .parquet.
    """
    columns = [text, label, *([group] if group else [])]
    files = own_files(name)
    found: list[tuple[str | None, FileRow]] = []
    with bytes_bar("reading", files, progress) as bar:
        for file in files:
            found += ((file.split, row) for row in rows(file, columns, bar.update))
    names = label_names(((row.place, row.values[label]) for _, row in found), label)
    labelled = []
    for split, row in found:
        if said := text_of(row, text).strip():
            own = _group(row, group) if group else normalise(said)
            labelled.append(Labelled(split, own, said, _plain(row.values[label]), row.place))
    kept = without_repeats(labelled)
    splits = _split(kept, name)
    _check_classes(splits, names, name)
    examples = {
        split: tuple(Example(row.text, names.index(row.label), row.group) for row in rows_)
        for split, rows_ in splits.items()
    }
    left_out = f"{len(found) - len(labelled):,} without text, {len(labelled) - len(kept):,} "
    notes = f"Left out: {left_out}that came before or with two labels"
    return Task(short_name(name), LICENCE, names, **examples, notes=notes)


def label_names(labels: Iterable[tuple[str, Any]], column: str) -> tuple[str, ...]:
    """The classes, sorted. labels: (place, value) of each row.

    >>> label_names([("a.csv:2", "10"), ("a.csv:3", "9")], "stars")
    ('9', '10')

    Raises UnreadableFile for a row without a label, and for labels of two kinds or of another.
    """
    values: set[Any] = set()
    kinds: dict[type, tuple[str, Any]] = {}
    missing = []
    for place, value in labels:
        if value is None or _plain(value) == "":
            missing.append(place)
        elif type(value) not in KINDS:
            what = f"{column!r} is {str(value)[:40]!r}, and a label is a text or a whole number"
            raise unreadable(place, what, "name the column of the labels by label=")
        else:
            kinds.setdefault(type(value), (place, value))
            values.add(_plain(value))
    if missing:
        what = f"no label in {column!r}; rows like this: {len(missing):,}"
        raise unreadable(missing[0], what, "label them or take them out")
    if len(kinds) > 1:
        (place, value), (other, second) = list(kinds.values())[:2]
        said = f"{second!r} is {KINDS[type(second)]}, but {value!r} at {place} {KINDS[type(value)]}"
        raise unreadable(other, f"labels of two kinds: {said}", "write all of them alike")
    numbers = all(value.removeprefix("-").isdecimal() for value in values)
    return tuple(sorted(values, key=lambda value: (int(value) if numbers else 0, value)))


def _plain(value: object) -> str:
    """How a label is called: ``True`` as JSON has it, texts without space around."""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _group(row: FileRow, column: str) -> str:
    value = row.values[column]
    if value is None or not str(value).strip():
        what = f"no group in {column!r}, so nobody knows what the row must not be parted from"
        raise unreadable(row.place, what, "fill it in, or leave group= out")
    return str(value).strip()


def without_repeats(labelled: Iterable[Labelled]) -> list[Labelled]:
    """Each text once, the first in the order of the splits and groups, if its labels agree.

    The order of the rows and the names of the files do not matter.
    """
    found: dict[str, list[Labelled]] = {}
    for row in sorted(labelled, key=lambda r: (SPLITS.index(r.split or "train"), *r[1:4])):
        found.setdefault(normalise(row.text), []).append(row)
    return [same[0] for same in found.values() if len({row.label for row in same}) == 1]


def _split(kept: Iterable[Labelled], name: object) -> dict[str, list[Labelled]]:
    splits: dict[str, list[Labelled]] = {split: [] for split in SPLITS}
    where: dict[str, str] = {}
    for row in kept:
        split = row.split or split_of(f"own/{row.group}", HELD_OUT)
        if where.setdefault(row.group, split) != split:
            what = f"the group {row.group!r} is in {where[row.group]}, too"
            remedy = "move its rows, or call the files otherwise, so that they are split by group"
            raise unreadable(row.place, what, remedy)
        splits[split].append(row)
    for split in SPLITS[:2]:
        if not splits[split]:
            what = f"of {len(where):,} groups none fell to {split}"
            raise unreadable(name, what, "give more, or files called train, validation and test")
    return splits


def _check_classes(
    splits: Mapping[str, list[Labelled]], names: Sequence[str], name: object
) -> None:
    """Raises UnreadableFile if there are not two classes that can be learnt."""
    everywhere = [row for split in SPLITS for row in splits[split]]
    counts = Counter(row.label for row in everywhere)
    learnt = {row.label for row in splits["train"]}
    if len(names) < 2:
        what = f"all rows have the label {names[0]!r}"
        raise unreadable(name, what, "give rows of a second class, or another column by label=")
    for label in names:
        place = next((row.place for row in everywhere if row.label == label), name)
        if counts[label] < 2:
            what = f"the class {label!r} has {counts[label]} example, and one can't be learnt from"
            what = what.replace("has 0 example", "has 0 examples that agree")
            raise unreadable(place, what, "give more of it, join it to another, or take it out")
        if label not in learnt:
            what = f"none of the {counts[label]} examples of the class {label!r} fell to train"
            raise unreadable(place, what, "give more of it, join it to another, or take it out")
