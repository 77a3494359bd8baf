"""The stream of labelled rows: every row once an epoch, little padding, the same at any step."""

from __future__ import annotations

from collections import Counter

import pytest

from course_lib.finetuning import TaskStream
from course_lib.finetuning.rows import Row
from course_lib.finetuning.stream import padding_share, sorted_batches


def rows(n=103, seed=0):
    lengths = [3 + (17 * i + seed) % 29 for i in range(n)]
    return tuple(
        Row((i + 10, *(5,) * (m - 1)), (i, *(-100,) * (m - 1))) for i, m in enumerate(lengths)
    )


def epoch(stream, number=0):
    n = stream.steps_per_epoch
    return [stream.batch(step) for step in range(number * n, (number + 1) * n)]


@pytest.mark.parametrize("pool", [1, 4, 100])
def test_every_row_comes_once_an_epoch_in_another_order(pool):
    stream = TaskStream(rows(), 16, pool=pool)
    seen = [[int(x) for b in epoch(stream, e) for x in b.input_ids[:, 0]] for e in (0, 1)]
    assert all(Counter(s) == Counter(range(10, 113)) for s in seen) and seen[0] != seen[1]


def test_the_batch_of_a_step_does_not_depend_on_what_was_asked_before():
    a, b = TaskStream(rows(), 16, seed=3), TaskStream(rows(), 16, seed=3)
    late = a.batch(25)
    for step in (3, 25):
        again = b.batch(step)
    assert late.input_ids.equal(again.input_ids) and late.labels.equal(again.labels)


def test_rows_of_like_length_come_together():
    plain, pooled = (padding_share(epoch(TaskStream(rows(1000), 16, pool=p))) for p in (1, 16))
    assert plain > 0.3 and pooled < 0.1


def test_fingerprint_changes_with_what_changes_a_batch():
    base = TaskStream(rows())
    others = [
        TaskStream(rows(), 16),
        TaskStream(rows(), seed=1),
        TaskStream(rows(), pad_id=1),
        TaskStream(rows(), pool=1),
        TaskStream(rows(), about="x"),
        TaskStream(rows(seed=1)),
        TaskStream(rows()[:-1]),
    ]
    found = {s.fingerprint for s in others}
    assert len(found) == len(others) and base.fingerprint not in found
    assert base.fingerprint == TaskStream(rows()).fingerprint


def test_sorted_batches_say_where_each_row_is():
    batches, places = sorted_batches(rows(), 10)
    assert [int(x) - 10 for b in batches for x in b.input_ids[:, 0]] == places
    assert sorted_batches([]) == ([], [])


def test_what_cannot_be():
    with pytest.raises(ValueError, match="no rows"):
        TaskStream(())
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        TaskStream(rows(), 0)
    with pytest.raises(ValueError, match="step must not be negative"):
        TaskStream(rows()).batch(-1)
