"""Which documents share a row: best fit, decreasing, over a histogram of lengths.

Every document goes, the longest first, into the fullest row that still has room for it, and a new
row is opened only where none has. Documents of one length are alike, so the plan is made for counts
of lengths, not for documents: its cost depends on how many lengths there are (at most the row's
width), and a million documents cost one sort.

A document longer than a row is cut from its beginning into pieces of a whole row; what is left over
is one shorter piece, planned like a document of that length. No token is lost. A piece sees nothing
of the other pieces.

Source: Krell et al. 2021 (arXiv:2107.02027), who pack over a histogram in this order.

>>> plan = plan_rows(np.array([3, 5, 2, 6, 9]), width=8)   # 9 is cut into 8 + 1
>>> plan.n_rows, round(plan.utilisation, 2)
(4, 0.78)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PackingPlan:
    """Where each piece goes: five int64 arrays with one entry a piece.

    document, start, length: tokens ``start`` to ``start + length`` of this document.
    row, offset: its row, 0 to n_rows - 1, and its first column in it.
    """

    document: np.ndarray
    start: np.ndarray
    length: np.ndarray
    row: np.ndarray
    offset: np.ndarray
    n_rows: int
    width: int

    @property
    def utilisation(self) -> float:
        """The share of all positions that hold text."""
        return float(self.length.sum()) / (self.n_rows * self.width)


def plan_rows(lengths: np.ndarray, width: int) -> PackingPlan:
    """Plan rows of ``width`` tokens for documents of these lengths (n whole numbers from 1).

    Raises ValueError for a width outside 1 to 65 535, no document, or a length below 1.
    """
    lengths = np.asarray(lengths)
    if not 1 <= width < 2**16:
        raise ValueError(f"width must be from 1 to 65535 tokens, got {width}")
    if lengths.ndim != 1 or not len(lengths) or lengths.dtype.kind not in "iu" or lengths.min() < 1:
        raise ValueError(
            "lengths must be a list of whole numbers from 1: leave empty documents out"
        )
    document, start, length = _pieces(lengths.astype(np.int64), width)
    order = np.argsort(length.astype(np.uint16), kind="stable")  # two bytes: a radix sort
    counts = np.bincount(length, minlength=width + 1)
    row, offset = np.empty_like(length), np.empty_like(length)
    taken = np.cumsum(counts) - counts  # where in ``order`` the next piece of each length stands
    n_rows = 0
    for n, parts in _best_fit(counts, width):
        column = 0
        for size, times in parts:
            mine = order[taken[size] : taken[size] + n * times]
            taken[size] += n * times
            row[mine] = np.repeat(np.arange(n_rows, n_rows + n), times)
            offset[mine] = np.tile(column + size * np.arange(times), n)
            column += size * times
        n_rows += n
    return PackingPlan(document, start, length, row, offset, n_rows, width)


def _pieces(lengths: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_pieces = -(-lengths // width)
    document = np.repeat(np.arange(len(lengths)), n_pieces)
    number = np.arange(len(document)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    start = number * width
    return document, start, np.minimum(width, lengths[document] - start)


def _best_fit(counts: np.ndarray, width: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """Kinds of rows: (how many of them, [(length, how many pieces of it in such a row), ...])."""
    open_rows: list[list] = [[] for _ in range(width + 1)]  # by the room that is left
    for size in range(width, 0, -1):
        left, room = int(counts[size]), size
        while left:
            while room < width and not open_rows[room]:
                room += 1
            # new rows: more than enough
            n, parts = open_rows[room].pop() if open_rows[room] else (left, [])
            # a row that took one is the fullest still: it takes the next one too
            times = min(room // size, left)
            filled = min(n, left // times)
            open_rows[room - times * size].append((filled, [*parts, (size, times)]))
            if parts and n > filled:
                open_rows[room].append((n - filled, parts))
            left -= filled * times
    return [kind for kinds in open_rows for kind in kinds]


def lay_out(
    tokens: np.ndarray, first: np.ndarray, plan: PackingPlan, pad_id: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of a plan: ids, segment ids and position ids, each (rows, width) int64.

    Segments are 1, 2, ... in a row; 0 is padding.

    tokens: all documents one after the other. first: (n,) where each document begins in it.
    """
    shape = (plan.n_rows, plan.width)
    ids = np.full(shape, pad_id)
    segment, position = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    order = np.lexsort((plan.offset, plan.row))
    length, row = plan.length[order], plan.row[order]
    begins = np.cumsum(np.bincount(row, minlength=plan.n_rows))
    number = 1 + np.arange(len(row)) - np.concatenate(([0], begins))[row]  # of the piece in its row
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    target = np.repeat(row * plan.width + plan.offset[order], length) + within
    source = np.repeat(np.asarray(first)[plan.document[order]] + plan.start[order], length) + within
    ids.ravel()[target] = tokens[source]
    segment.ravel()[target] = np.repeat(number, length)
    position.ravel()[target] = within
    return ids, segment, position


def segments(rows: np.ndarray, cls_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Which document each token of a packed row belongs to, and its place in it (within the row).

    rows: (b, t) ids. Returns segment ids 1, 2, ... and position ids, both (b, t) int64. A document
    starts at [CLS]; what comes before the first [CLS] is the end of a document that began in an
    earlier row.
    """
    starts = rows == cls_id
    starts[:, 0] = True
    column = np.arange(rows.shape[1])
    # column at which each token's document starts
    first = np.maximum.accumulate(np.where(starts, column, 0), axis=1)
    return np.cumsum(starts, axis=1), column - first
