"""A corpus that stays on the disk: texts are read when they are asked for, one at a time.

    folder/
      info.json                     counts, fingerprint, and the SHA-256 of the other files
      train.txt   train.ends        all texts in UTF-8, one after the other; where each ends
      validation.txt ...

``StoredCorpus`` can be used wherever ``Corpus`` is: ``texts(split)`` and ``documents(split)`` are
sequences, with a length and slices, that read in place of lists that hold.

Cost: the size of the text on the disk, and 8 bytes a document; opening reads it once, for the
check. In memory: one document.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     with TextWriter(Path(folder), "train") as writer:
...         for text in ("one", "zwei ü", "three"):
...             writer.add(text)
...     texts = StoredTexts(Path(folder), "train")
...     len(texts), texts[1], texts[1:], [len(text) for text in texts]
(3, 'zwei ü', ['zwei ü', 'three'], [3, 6, 5])
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from typing_extensions import Self

from .errors import unknown
from .records import SPLITS, Document, describe_corpus

INFO = "info.json"


class TextWriter:
    """Writes the texts of one split; used with ``with``. characters: how many it has written."""

    def __init__(self, folder: Path, split: str) -> None:
        self._paths = folder / f"{split}.txt", folder / f"{split}.ends"
        self._end = self.characters = self.documents = 0

    def __enter__(self) -> Self:
        self._texts, self._ends = (path.open("wb") for path in self._paths)
        return self

    def add(self, text: str) -> None:
        """Write one text."""
        self._end += self._texts.write(text.encode())
        self._ends.write(array("Q", [self._end]).tobytes())
        self.characters += len(text)
        self.documents += 1

    def flush(self) -> None:
        """Let what was written be read."""
        self._texts.flush()
        self._ends.flush()

    def __exit__(self, *_: object) -> None:
        self._texts.close()
        self._ends.close()


class StoredTexts(Sequence[str]):
    """The texts of one split in the order in which they were written.

    It can be gone through any number of times, also twice at once; each time holds one text.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self._path, ends = folder / f"{split}.txt", folder / f"{split}.ends"
        # an empty file can't be mapped
        n_bytes = ends.stat().st_size
        self._ends = np.memmap(ends, dtype=np.uint64, mode="r") if n_bytes else np.zeros(0, int)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        before = 0
        with self._path.open("rb") as texts:
            for end in map(int, self._ends):
                yield texts.read(end - before).decode()
                before = end

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        before = int(self._ends[i - 1]) if i else 0
        with self._path.open("rb") as texts:
            texts.seek(before)
            return texts.read(int(self._ends[i]) - before).decode()


class StoredDocuments(Sequence[Document]):
    """The same as documents. They have neither title nor links."""

    def __init__(self, texts: StoredTexts, source: str) -> None:
        self._texts, self._source = texts, source

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[Document]:
        return (Document.of(text, self._source) for text in self._texts)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...
    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        if isinstance(index, slice):
            return [Document.of(text, self._source) for text in self._texts[index]]
        return Document.of(self._texts[index], self._source)


@dataclass(frozen=True)
class StoredCorpus:
    """What :class:`~course_lib.data.records.Corpus` is, with its documents on the disk.

    name, licence, notes: as there.  folder: what ``write_info`` completed.

    Use ``opened`` to know that the folder is whole.
    """

    name: str
    licence: str
    folder: Path = field(compare=False)
    notes: str = field(default="", compare=False)

    @cached_property
    def _info(self) -> dict[str, Any]:
        return json.loads((self.folder / INFO).read_text("utf-8"))

    @property
    def fingerprint(self) -> str:
        """As ``Corpus.fingerprint``: equal if and only if texts and splits are."""
        return self._info["fingerprint"]

    def texts(self, split: str = "train") -> StoredTexts:
        """The texts of ``split``. Raises UnknownName for another name than the three."""
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        return StoredTexts(self.folder, split)

    def documents(self, split: str) -> StoredDocuments:
        """The documents of ``split``. Raises UnknownName for another name than the three."""
        return StoredDocuments(self.texts(split), self.name)

    @property
    def train(self) -> StoredDocuments:
        """The documents of this split."""
        return self.documents("train")

    @property
    def validation(self) -> StoredDocuments:
        """The documents of this split."""
        return self.documents("validation")

    @property
    def test(self) -> StoredDocuments:
        """The documents of this split."""
        return self.documents("test")

    def counts(self) -> dict[str, tuple[int, int]]:
        """(documents, characters) for each split; nothing is read for it."""
        return {split: tuple(self._info["counts"][split]) for split in SPLITS}

    def describe(self) -> str:
        """Documents and characters of each split, and the licence, as text."""
        return describe_corpus(self.name, self.counts(), self.licence, self.notes)


def write_info(folder: Path, **more: Any) -> None:
    """Complete a folder in which the three splits were written."""
    names = [f"{split}.{ending}" for split in SPLITS for ending in ("txt", "ends")]
    info = {**more, "files": {name: sha256(folder / name) for name in names}}
    (folder / INFO).write_text(json.dumps(info, indent=1), "utf-8")


def read_info(folder: Path) -> dict[str, Any] | None:
    """What ``write_info`` was given, or ``None`` if anything is missing or has changed."""
    try:
        info = json.loads((folder / INFO).read_text("utf-8"))
        same = all(sha256(folder / name) == digest for name, digest in info["files"].items())
    except (OSError, ValueError, KeyError):
        return None
    return info if same else None


def sha256(path: Path) -> str:
    """Of the bytes of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
