"""Which files a path of your own names: a file, a folder with all below it, or a pattern.

=========================  =====================================================================
ending                     documents
=========================  =====================================================================
.txt .md                   in a folder or a pattern, one a file: its paragraphs belong together,
                           and to one side of the split. A file given by itself, or of more than
                           16 MB, was put together from many texts: one between two blank lines
.jsonl                     one a line, in the field ``text``
.csv                       one a row, in the column ``text``; the first line has the names
.parquet                   one a row, in the column ``text``; needs ``pyarrow``
=========================  =====================================================================

All but .parquet may be compressed by gzip (.txt.gz). Files that are called train, validation and
test (or train-00000-of-00002 ...), all three and no other, are these splits. What begins with a dot
is left out, and so is every other ending.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("b.txt", "a.jsonl.gz", "picture.png", ".hidden.txt"):
...         (Path(folder) / name).touch()
...     [(file.path.name, file.kind, file.whole) for file in own_files(folder)]
[('a.jsonl.gz', '.jsonl', False), ('b.txt', '.txt', True)]
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .errors import UnreadableFile, unknown, unreadable
from .records import SPLITS
from .text_lines import LARGEST, naming

TEXT = (".txt", ".md")
KINDS = (*TEXT, ".jsonl", ".csv", ".parquet")
PATTERN = frozenset("*?[")
PUBLISHED = re.compile(rf"({'|'.join(SPLITS)})(-\d+-of-\d+)?")


class OwnFile(NamedTuple):
    """A file to be read.

    kind: one of ``KINDS``.  whole: whether a text file is one document.  split: which it was called
    after, if it was.
    """

    path: Path
    kind: str
    whole: bool
    split: str | None


def is_there(name: str | os.PathLike) -> bool:
    """Whether ``name`` is a file or a folder, or a pattern."""
    return bool(PATTERN & set(str(name))) or Path(name).expanduser().exists()


def looks_like_path(name: str) -> bool:
    """Whether ``name`` can be nothing but a path: it says where from, or has one of the endings."""
    return name.startswith((".", "/", "~")) or "\\" in name or bool(kind_of(Path(name)))


def kind_of(path: Path) -> str:
    """The ending in lower case and without .gz, if it is in ``KINDS``, else ``""``."""
    name = path.name.lower()
    ending = Path(name.removesuffix(".gz")).suffix
    return ending if ending in KINDS and not name.endswith(".parquet.gz") else ""


def short_name(name: str | os.PathLike) -> str:
    """The last part of a path or pattern, fit for the name of a folder.

    >>> short_name("~/my texts/*.jsonl"), short_name("a/b/")
    ('jsonl', 'b')
    """
    last = Path(name).expanduser().resolve().name
    return re.sub(r"[^\w.-]+", "-", last).strip(".-") or "text"


def own_files(name: str | os.PathLike) -> list[OwnFile]:
    """The files that ``name`` stands for, in the order of their names.

    Raises UnreadableFile where there is none, of an ending that is not read, or a folder that the
    system does not open.
    """
    path = Path(name).expanduser()
    alone = path.is_file()
    found = [path] if alone else sorted(_below(path) if path.is_dir() else _matching(path))
    paths = [p for p in found if kind_of(p)]
    if not paths:
        raise _none(name, path, found)
    named = [PUBLISHED.fullmatch(p.name.split(".")[0]) for p in paths]
    splits = [match and match[1] for match in named]
    published = all(splits) and set(splits) == set(SPLITS)
    return [
        OwnFile(p, kind_of(p), not alone and _is_one(p, published), split if published else None)
        for p, split in zip(paths, splits, strict=True)
    ]


def _below(folder: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        raise error

    with naming(folder):
        for where, folders, names in os.walk(folder, onerror=stop):
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from (Path(where) / name for name in names if not name.startswith("."))


def _matching(pattern: Path) -> list[Path]:
    return [p for p in map(Path, glob.glob(str(pattern), recursive=True)) if p.is_file()]


def _is_one(path: Path, published: bool) -> bool:
    """Whether a text file among others is one document; a whole split never is."""
    if published or kind_of(path) not in TEXT:
        return False
    with naming(path):
        return path.stat().st_size <= LARGEST


def _none(name: str | os.PathLike, path: Path, found: list[Path]) -> UnreadableFile:
    if not path.exists() and not PATTERN & set(str(name)):
        return unreadable(
            name, f"no such file or folder (looked in {Path.cwd()})", "check the path"
        )
    what = f"no file ends in {', '.join(KINDS)}"
    if found:
        others = sorted({p.suffix or p.name for p in found})
        what += f"; there is {', '.join(others[:5])}{' ...' if len(others) > 5 else ''}"
    elif path.is_dir():
        what = "the folder is empty"
    else:
        what = "no file fits the pattern"
    return unreadable(name, what, f"give text in one of these: {', '.join(KINDS)}")


def no_name(kind: str, name: str, known: list[str]) -> Exception:
    """The error for what is neither a known name nor a path; it has the nearest known name."""
    error = unknown(kind, name, known)
    return type(error)(f"{error}. It is no path either: there is no {name!r} in {Path.cwd()}")
