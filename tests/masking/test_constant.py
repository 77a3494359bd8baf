"""A constant count: exactly k, uniform, never a special token, and all else as token masking."""

import math

import pytest
import torch

from course_lib.batch import IGNORE
from course_lib.batches import MLMStream
from course_lib.masking import MaskPolicy, mask_constant

V = 50
SPECIAL = torch.tensor([True] * 5 + [False] * (V - 5))


def mask(ids, count, seed=0, **policy):
    options = dict(mask_id=4, vocab_size=V, special_mask=SPECIAL)
    generator = torch.Generator().manual_seed(seed)
    return mask_constant(ids, count, MaskPolicy(**policy), **options, generator=generator)


@pytest.fixture
def ids() -> torch.Tensor:
    rows = torch.randint(5, V, (6, 20), generator=torch.Generator().manual_seed(3))
    rows[:, 0], rows[0, 15:] = 2, 0
    return rows


def test_exactly_k_and_the_text_is_kept(ids):
    original = ids.clone()
    for seed in range(50):
        masked = mask(ids, 17, seed)
        taken = masked.labels != IGNORE
        assert int(taken.sum()) == 17 and not SPECIAL[masked.labels[taken]].any()
        assert torch.equal(torch.where(taken, masked.labels, masked.input_ids), original)
    assert torch.equal(ids, original)


def test_every_ordinary_token_is_taken_equally_often(ids):
    """k-sigma with the hypergeometric law: each token's count over n runs has mean n k / m."""
    n, k, m = 4000, 17, int((~SPECIAL[ids]).sum())
    counts = sum((mask(ids, k, seed).labels != IGNORE).float() for seed in range(n))
    p = k / m
    deviation = (counts[~SPECIAL[ids]] - n * p) / math.sqrt(n * p * (1 - p))
    assert deviation.abs().max() < 4.5 and 0.8 < deviation.std() < 1.2
    assert counts[SPECIAL[ids]].sum() == 0


def test_shares_of_mask_random_and_kept(ids):
    n = shown = random = kept = 0
    for seed in range(400):
        masked = mask(ids, 40, seed)
        taken = masked.labels != IGNORE
        now, right = masked.input_ids[taken], masked.labels[taken]
        n, shown = n + len(now), shown + int((now == 4).sum())
        kept += int((now == right).sum())
        random += int(((now != 4) & (now != right)).sum())
    for count, share in ((shown, 0.8), (random, 0.1 * (1 - 1 / 45)), (kept, 0.1 * (1 + 1 / 45))):
        assert abs(count - n * share) < 4 * math.sqrt(n * share * (1 - share))


def test_all_of_them_and_errors(ids):
    m = int((~SPECIAL[ids]).sum())
    assert int((mask(ids, m).labels != IGNORE).sum()) == m
    for count in (0, m + 1):
        with pytest.raises(ValueError, match=f"count must be from 1 to the batch's {m}"):
            mask(ids, count)
    with pytest.raises(ValueError, match='needs unit="token"'):
        mask(ids, 3, unit="word")


def test_a_stream_of_constant_shapes(tokens, tokenizer):
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8, targets=30)
    batches = [stream.batch(step) for step in (0, 1, 2, 1000)]
    assert {x.n_targets for x in batches} == {30}
    assert all(x.segment_ids is not None and x.position_ids is not None for x in batches)
    assert torch.equal(stream.batch(1000).labels, batches[-1].labels)


def test_the_fingerprint_changes_with_the_count_only(tokens, tokenizer):
    plain = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)
    counted = [MLMStream(tokens, tokenizer, seq_len=16, batch_size=8, targets=n) for n in (20, 21)]
    assert len({plain.fingerprint, *(x.fingerprint for x in counted)}) == 3
