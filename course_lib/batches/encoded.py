"""Rows without padding: encode a corpus once into one flat array on disk, and cut rows from it.

    [CLS] first document [SEP] [CLS] second document [SEP] [CLS] third ...
    |------ row 0 ------||------ row 1 ------||------ row 2 ------| ...

Half of a corpus padded to a common length is often padding, and padding costs as much as text. In a
packed row every position is text. Where two documents share a row, ``segments`` tells attention
where to stop.

The array is memory-mapped: a corpus larger than memory works, and opening it takes no time. Two
bytes a token while the vocabulary has at most 65 536 entries.

Source: Krell et al. 2021 (arXiv:2107.02027) measure what padding costs.

>>> from course_lib.batches import segments
>>> rows = np.array([[8, 3, 2, 9, 9, 3]])  # a document ends, the next begins
>>> segments(rows, cls_id=2)[0].tolist()
[[1, 1, 2, 2, 2, 2]]
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from tqdm.auto import tqdm

from course_lib.tokenization import Tokenizer
from course_lib.tokenization.texts import checked_texts
from course_lib.whole_files import read_json_object, written_whole

_FORMAT = 1
_DTYPES = ("uint16", "uint32")
_INFO = dict(format=int, dtype=str, n_tokens=int, n_documents=int, fingerprint=str)


@runtime_checkable
class TokenSource(Protocol):
    """What tokens are read from: an array, or several that are looked up as one."""

    @property
    def dtype(self) -> np.dtype:
        """Of the ids."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: np.ndarray | slice, /) -> np.ndarray: ...


@dataclass(frozen=True)
class TokenArray:
    """Encoded text on disk.

    tokens: a memory-mapped array of ids. n_documents: how many there are. fingerprint: of what
        made it.
    """

    tokens: TokenSource
    n_documents: int
    fingerprint: str

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def open(cls, path: str | os.PathLike) -> TokenArray:
        """Map what ``encode_corpus`` wrote.

        Raises ValueError when it is missing, damaged or of another version.
        """
        path = Path(path)
        try:
            info = read_json_object(path / "info.json", **_INFO)
            if info["dtype"] not in _DTYPES:
                raise ValueError(f"dtype must be one of {_DTYPES}, got {info['dtype']!r}")
            tokens = np.memmap(path / "tokens.bin", dtype=info["dtype"], mode="r")
            version, n_tokens = info["format"], info["n_tokens"]
        except (OSError, ValueError) as error:
            raise ValueError(
                f"no usable encoded corpus at {path}: delete the folder and run encode_corpus "
                f"again ({error})"
            ) from error
        if version != _FORMAT or len(tokens) != n_tokens:
            raise ValueError(
                f"the encoded corpus at {path} has {len(tokens)} tokens, but its info.json says "
                f"{n_tokens} (format {version}, this version reads {_FORMAT}): delete the folder "
                "and run encode_corpus again"
            )
        return cls(tokens, info["n_documents"], info["fingerprint"])


def _batches(texts: Iterable[str], characters: int = 2_000_000) -> Iterator[list[str]]:
    """Lists of texts of about ``characters`` in all: a huge corpus never stands in memory."""
    batch, size = [], 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= characters:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def encode_corpus(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    path: str | os.PathLike,
    *,
    fingerprint: str = "",
    progress: bool = True,
) -> TokenArray:
    """Encode ``texts`` as ``[CLS] text [SEP]``, one after the other, and open the result.

    path: the folder to write.
    texts: any iterable; it is read once and need not fit in memory. ``[CLS]`` or ``[MASK]`` typed
        in a text is text: only the tokens that are added begin and end a document.
    fingerprint: of the texts (``corpus.fingerprint``). Where ``path`` already holds this text
        encoded by this tokenizer, nothing is done. Without it the text is always encoded again.
        Two processes may do so at once: who comes second takes what is there.

    Nothing appears at ``path`` until all of it is on the disk. Raises TypeError if ``texts`` is one
    string or holds what is none, ValueError if there is no text or one holds half a character (a
    lone surrogate); of a list, before anything is encoded.
    """
    path, texts = Path(path), checked_texts(texts)
    key = f"{fingerprint}:{tokenizer.fingerprint}" if fingerprint else ""
    if found := _made_before(path, key):
        return found
    with written_whole(path, keep=lambda there: _made_before(there, key) is not None) as work:
        work.mkdir()
        info = _write(texts, tokenizer, work, progress) | {"fingerprint": key, "format": _FORMAT}
        (work / "info.json").write_text(json.dumps(info, indent=2), "utf-8")
    return _open_soon(path)


def _made_before(path: Path, key: str) -> TokenArray | None:
    """What ``path`` holds, if that is whole and was made of ``key``; "" is the key of nothing."""
    try:
        found = TokenArray.open(path) if key else None
    except ValueError:
        return None  # none, or damaged: write it anew
    return found if found and found.fingerprint == key else None


def _open_soon(path: Path, tries: int = 50) -> TokenArray:
    """Open an array that another process may just be replacing: for a moment there is none."""
    for _ in range(tries):
        try:
            return TokenArray.open(path)
        except ValueError:
            time.sleep(0.02)
    return TokenArray.open(path)


def _write(texts: Iterable[str], tokenizer: Tokenizer, work: Path, progress: bool) -> dict:
    dtype = np.uint16 if tokenizer.vocab_size <= 2**16 else np.uint32
    n_documents = n_tokens = 0
    bar = tqdm(desc="encoding", unit=" tokens", unit_scale=True, disable=not progress, leave=False)
    with bar, open(work / "tokens.bin", "wb") as file:
        for batch in _batches(texts):
            encoded = tokenizer.encode_batch(batch, parse_special=False)
            # [CLS] [SEP] alone says nothing
            rows = [ids for ids in encoded if len(ids) > 2]
            flat = np.fromiter(itertools.chain.from_iterable(rows), dtype=dtype)
            file.write(flat.tobytes())
            n_documents, n_tokens = n_documents + len(rows), n_tokens + len(flat)
            bar.update(len(flat))
    if not n_tokens:
        raise ValueError("texts holds no text: nothing was encoded")
    return {"dtype": np.dtype(dtype).name, "n_tokens": n_tokens, "n_documents": n_documents}
