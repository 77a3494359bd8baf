import math

import pytest
import torch

from course_lib.batch import IGNORE
from course_lib.masking import replace_tokens

V, SPECIALS = 20, 5
special = torch.arange(V) < SPECIALS
weights = torch.rand(V, generator=torch.Generator().manual_seed(3)) ** 2
rows = torch.randint(0, V, (400, 50), generator=torch.Generator().manual_seed(4))


def corrupt(rate=0.3, seed=0, **others):
    generator = torch.Generator().manual_seed(seed)
    return replace_tokens(
        rows, rate=rate, frequencies=weights, special_mask=special, generator=generator, **others
    )


def five_sigma(found: float, n: int, p: float) -> bool:
    return abs(found - n * p) < 5 * math.sqrt(n * p * (1 - p))


def test_labels_say_what_changed_and_specials_are_left_alone():
    before, batch = rows.clone(), corrupt()
    assert torch.equal(rows, before)
    ordinary = ~special[rows]
    assert torch.equal(batch.labels == IGNORE, ~ordinary)
    assert torch.equal(batch.labels == 1, batch.input_ids != rows)
    assert not special[batch.input_ids[ordinary]].any()


def test_share_of_ones_counts_lucky_draws_as_kept():
    q = weights.masked_fill(special, 0) / weights[SPECIALS:].sum()
    batch = corrupt()
    for token in range(SPECIALS, V):
        here = rows == token
        ones, n = int((batch.labels[here] == 1).sum()), int(here.sum())
        assert five_sigma(ones, n, 0.3 * (1 - float(q[token])))


def test_replacements_follow_the_frequencies():
    q = weights.masked_fill(special, 0) / weights[SPECIALS:].sum()
    batch = corrupt(rate=1.0)
    drawn = batch.input_ids[~special[rows]]
    for token in range(V):
        assert five_sigma(int((drawn == token).sum()), len(drawn), float(q[token])) or q[token] == 0
    assert not (drawn < SPECIALS).any()


def test_same_generator_same_batch_and_the_rest_travels():
    segments = torch.ones_like(rows)
    a, b = corrupt(segment_ids=segments), corrupt()
    assert torch.equal(a.input_ids, b.input_ids) and a.segment_ids is segments
    assert not torch.equal(a.input_ids, corrupt(seed=1).input_ids)


def test_rows_of_specials_only():
    generator = torch.Generator().manual_seed(0)
    batch = replace_tokens(
        torch.zeros(2, 3).long(), frequencies=weights, special_mask=special, generator=generator
    )
    assert batch.n_targets == 0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (dict(rate=0.0), "rate must be"),
        (dict(rate=15), "0.15 for 15 %"),
        (dict(frequencies=torch.ones(3)), "one entry per token"),
        (dict(frequencies=torch.zeros(V)), "positive frequency"),
    ],
)
@pytest.mark.not_strict("wrong types")
def test_clear_errors(change, match):
    sound = dict(frequencies=weights, special_mask=special, generator=torch.Generator())
    with pytest.raises(ValueError, match=match):
        replace_tokens(rows, **(sound | change))
