"""Many encoded files as one array: a corpus that fits neither into memory nor into one file.

    part-0/tokens.bin   part-1/tokens.bin   part-2/tokens.bin
    |------ 0 .. a -----|----- a .. a+b ----|--- a+b .. a+b+c ---|    one array of a + b + c tokens

Each part is made by ``encode_corpus``, by whoever had time.
The parts are mapped, not read: an index touches the pages in which it lies, and nothing else comes
into memory. So the stream's shuffle runs over all parts at once. (The usual way, one worker reading
one file from front to back through a shuffle buffer, sees neighbours together, and its order
changes with the number of workers.)

Cost: a binary search among the parts for each index that is looked up.

>>> a = TokenArray(np.array([5, 6, 7], dtype=np.uint16), 1, "a")
>>> b = TokenArray(np.array([8, 9], dtype=np.uint16), 1, "b")
>>> both = join_arrays([a, b])
>>> len(both), both.tokens[np.array([[0, 3], [2, 4]])].tolist()
(5, [[5, 8], [7, 9]])
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from .encoded import TokenArray, TokenSource


class JoinedTokens:
    """Arrays one after the other, looked up by arrays of integers and by slices.

    dtype: the widest of theirs.

    Raises ValueError if there is none.
    """

    def __init__(self, parts: Sequence[TokenSource]) -> None:
        if not parts:
            raise ValueError("parts is empty: give at least one encoded file")
        self.parts = list(parts)
        self.ends = np.cumsum([len(p) for p in parts])
        self.dtype = np.result_type(*(p.dtype for p in parts))

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: np.ndarray | slice) -> np.ndarray:
        """The tokens at ``index``, integers in 0 .. len - 1, in its shape; IndexError outside."""
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        index = np.asarray(index)
        if index.size and (index.min() < 0 or index.max() >= len(self)):
            raise IndexError(
                f"index must lie in 0 .. {len(self) - 1}, got {index.min()} .. {index.max()}"
            )
        found = np.empty(index.shape, dtype=self.dtype)
        owner = np.searchsorted(self.ends, index, side="right")
        for k in np.unique(owner):
            here = owner == k
            start = self.ends[k] - len(self.parts[k])
            found[here] = self.parts[k][index[here] - start]
        return found


def join_arrays(parts: Sequence[TokenArray]) -> TokenArray:
    """The parts, in this order, as one corpus for a stream; another order is another corpus.

    The fingerprint is that of the parts' fingerprints; parts without one can't be told apart and
    are refused with ValueError.
    """
    if not all(p.fingerprint for p in parts):
        raise ValueError(
            "a part has no fingerprint: encode it with encode_corpus(..., fingerprint=...)"
        )
    key = json.dumps([[p.fingerprint, len(p)] for p in parts]).encode()
    fingerprint = hashlib.sha256(key).hexdigest()[:16]
    tokens = JoinedTokens([p.tokens for p in parts])
    return TokenArray(tokens, sum(p.n_documents for p in parts), fingerprint)
