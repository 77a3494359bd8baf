"""Rows without padding: encode a corpus once into one flat array on disk, and cut rows from it.

    [CLS] first document [SEP] [CLS] second document [SEP] [CLS] third ...
    |------ row 0 ------||------ row 1 ------||------ row 2 ------| ...

Half of a corpus padded to a common length is often padding, and padding costs as much as text. In a packed row every
position is text. Where two documents share a row, ``segments`` tells attention where to stop.

The array is memory-mapped: a corpus larger than memory works, and opening it takes no time. Two bytes a token while
the vocabulary has at most 65 536 entries.

Source: Krell et al. 2021 (arXiv:2107.02027) measure what padding costs.

>>> from course_lib.batches import segments
>>> segments(np.array([[8, 3, 2, 9, 9, 3]]), cls_id=2)[0].tolist()   # a document ends, the next begins
[[1, 1, 2, 2, 2, 2]]
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from course_lib.tokenization import Tokenizer

_FORMAT = 1


@dataclass(frozen=True)
class TokenArray:
    """Encoded text on disk: ``tokens`` (a memory-mapped array of ids), the documents' number, and what made it."""

    tokens: np.ndarray
    n_documents: int
    fingerprint: str

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def open(cls, path: str | os.PathLike) -> TokenArray:
        """Map what ``encode_corpus`` wrote. Raises ValueError when it is missing, damaged or of another version."""
        path = Path(path)
        try:
            info = json.loads((path / "info.json").read_text("utf-8"))
            tokens = np.memmap(path / "tokens.bin", dtype=info["dtype"], mode="r")
            version, n_tokens, n_documents, fingerprint = (
                info[name] for name in ("format", "n_tokens", "n_documents", "fingerprint")
            )
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"no usable encoded corpus at {path}: delete the folder and run encode_corpus again ({error})"
            ) from error
        if version != _FORMAT or len(tokens) != n_tokens:
            raise ValueError(
                f"the encoded corpus at {path} has {len(tokens)} tokens, but its info.json says {n_tokens} (format "
                f"{version}, this version reads {_FORMAT}): delete the folder and run encode_corpus again"
            )
        return cls(tokens, n_documents, fingerprint)


def _batches(texts: Iterable[str], characters: int = 2_000_000) -> Iterator[list[str]]:
    """Lists of texts of about ``characters`` in all, so that one huge corpus never stands in memory."""
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
    """Encode ``texts`` as ``[CLS] text [SEP]`` one after the other into ``path`` (a folder), and open it.

    texts: any iterable; it is read once and need not fit in memory.
    fingerprint: of the texts (``corpus.fingerprint``). Where ``path`` already holds this text encoded by this
        tokenizer, nothing is done. Without it the text is always encoded again.

    Nothing appears at ``path`` until all of it is on the disk. Raises ValueError if there is no text.
    """
    path = Path(path)
    key = f"{fingerprint}:{tokenizer.fingerprint}" if fingerprint else ""
    if key and (path / "info.json").exists():
        try:
            if (found := TokenArray.open(path)).fingerprint == key:
                return found
        except ValueError:
            pass  # damaged: write it anew
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        info = _write(texts, tokenizer, work, progress) | {"fingerprint": key, "format": _FORMAT}
        (work / "info.json").write_text(json.dumps(info, indent=2), "utf-8")
        shutil.rmtree(path, ignore_errors=True)
        os.replace(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return TokenArray.open(path)


def _write(texts: Iterable[str], tokenizer: Tokenizer, work: Path, progress: bool) -> dict:
    dtype = np.uint16 if tokenizer.vocab_size <= 2**16 else np.uint32
    n_documents = n_tokens = 0
    bar = tqdm(desc="encoding", unit=" tokens", unit_scale=True, disable=not progress, leave=False)
    with bar, open(work / "tokens.bin", "wb") as file:
        for batch in _batches(texts):
            rows = [
                ids for ids in tokenizer.encode_batch(batch) if len(ids) > 2
            ]  # [CLS] [SEP] alone says nothing
            flat = np.fromiter(itertools.chain.from_iterable(rows), dtype=dtype)
            file.write(flat.tobytes())
            n_documents, n_tokens = n_documents + len(rows), n_tokens + len(flat)
            bar.update(len(flat))
        file.flush()
        os.fsync(file.fileno())
    if not n_tokens:
        raise ValueError("texts holds no text: nothing was encoded")
    return {"dtype": np.dtype(dtype).name, "n_tokens": n_tokens, "n_documents": n_documents}
