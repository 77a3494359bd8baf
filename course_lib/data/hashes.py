"""A set that remembers 64-bit hashes in place of what was put in.

To know whether a passage came before, a corpus larger than memory cannot keep its passages. Eight
bytes of each are enough: among n of them, two different ones share a hash with a probability of
about n^2 / 2^65, one in four thousand for a hundred million.

Cost: 12 to 24 bytes an item in one flat array (a Python set of strings takes 100 to 400), half as
much again while it grows, and about a microsecond for adding or asking. The hash is Python's own,
so a set is good for one process only.

>>> seen = HashSet()
>>> seen.add("a passage")
>>> "a passage" in seen, "another" in seen, len(seen)
(True, False, 1)
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable

_FIRST = 1 << 10
_BITS = (1 << 64) - 1


class HashSet:
    """Open addressing (Knuth, volume 3, section 6.4) in an array that is at most two thirds full.

    It can be asked with ``in`` and ``len``; nothing can be taken out or listed.
    """

    def __init__(self) -> None:
        # 0 means empty
        self._table = array("Q", bytes(8 * _FIRST))
        self._count = 0

    def add(self, key: Hashable) -> None:
        """Remember ``key``; a second time changes nothing."""
        if 3 * self._count >= 2 * len(self._table):
            self._grow()
        value = hash(key) & _BITS or 1
        place = _place(self._table, value)
        self._count += not self._table[place]
        self._table[place] = value

    def __contains__(self, key: object) -> bool:
        return bool(self._table[_place(self._table, hash(key) & _BITS or 1)])

    def __len__(self) -> int:
        return self._count

    def _grow(self) -> None:
        larger = array("Q", bytes(16 * len(self._table)))
        for value in self._table:
            if value:
                larger[_place(larger, value)] = value
        self._table = larger


def _place(table: array, value: int) -> int:
    """Where ``value`` stands, or the empty place where it would."""
    last = len(table) - 1
    # the upper half, too, moves the start: small integers are their own hash
    place = (value ^ value >> 32) & last
    while table[place] and table[place] != value:
        place = (place + 1) & last
    return place
