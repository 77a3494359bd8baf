"""Which texts are nearly the same, so that they stay on one side of a split.

Two texts are alike if they share more than half of the shorter one's windows of 8 words
(``repeats.windows``; a text of fewer words is one window). What is alike to something alike is in
the same group: groups are the connected components of that graph, so no text of one group is alike
to one of another.

Cost: one entry a window, and one count a pair of texts that share it.

>>> groups_of([{1, 2, 3}, {2, 3, 4}, {9}, {4, 7}])
[0, 0, 2, 3]
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet

from ..repeats import MOST_SEEN, WORD, windows


def text_windows(text: str) -> set[tuple[str, ...]]:
    """The windows of ``text``; of a shorter text, all of its words as one.

    >>> sorted(text_windows("Stop the timer."))
    [('stop', 'the', 'timer')]
    """
    return windows(text) or {tuple(WORD.findall(text.lower()))}


def groups_of(parts: Sequence[AbstractSet[Hashable]], share: float = MOST_SEEN) -> list[int]:
    """For each item the number of the first item of its group.

    parts: what each item is made of. share: two items are alike if they share more than this share
        of the smaller one.
    """
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for i, own in enumerate(parts):
        for part in own:
            holders[part].append(i)
    common: Counter[tuple[int, int]] = Counter()
    for items in holders.values():
        common.update((a, b) for n, a in enumerate(items) for b in items[n + 1 :])
    parent = list(range(len(parts)))
    for (a, b), shared in common.items():
        if shared > share * min(len(parts[a]), len(parts[b])):
            a, b = sorted((_root(parent, a), _root(parent, b)))
            parent[b] = a
    return [_root(parent, i) for i in range(len(parts))]


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
