"""A set of hashes says what a set would, in a fraction of the memory."""

from __future__ import annotations

import sys

from course_lib.data.hashes import HashSet


def test_says_what_a_set_says_through_many_growths():
    compact, exact = HashSet(), set()
    for i in range(20_000):
        key = f"passage {i * 7 % 13_000}"
        assert (key in compact) == (key in exact)
        compact.add(key)
        exact.add(key)
    assert len(compact) == len(exact) == 13_000
    assert all(key in compact for key in exact)
    assert not any(f"other {i}" in compact for i in range(13_000))


def test_any_key_whose_hash_is_small_or_zero_or_negative():
    compact = HashSet()
    assert not compact and 0 not in compact
    for key in (0, -1, 5, "", (1, "a"), hash("x")):
        compact.add(key)
        compact.add(key)
        assert key in compact
    assert 6 not in compact


def test_memory_is_as_promised():
    compact = HashSet()
    for i in range(50_000):
        compact.add(str(i))
    assert 12 <= sys.getsizeof(compact._table) / len(compact) <= 24
