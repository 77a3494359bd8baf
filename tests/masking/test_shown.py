"""What stands in the input at a target."""

import pytest
import torch

from course_lib.batch import Batch
from course_lib.masking import SHOWN, MaskPolicy, mask_tokens, shown_as, targets_shown_as

MASK_ID = 1


@pytest.fixture
def batch() -> Batch:
    generator, special = torch.Generator().manual_seed(0), torch.arange(50) < 2
    ids = torch.randint(2, 50, (20, 60), generator=generator)
    options = dict(mask_id=MASK_ID, vocab_size=50, special_mask=special, generator=generator)
    masked = mask_tokens(ids, MaskPolicy(rate=0.5), **options)
    return Batch(masked.input_ids, labels=masked.labels)


def test_each_target_is_in_exactly_one(batch):
    kinds = shown_as(batch, MASK_ID)
    assert tuple(kinds) == SHOWN
    assert (torch.stack(list(kinds.values())).sum(0) == 1).all()
    assert all(kind.any() for kind in kinds.values())


def test_by_looking_at_each_target(batch):
    shown, right = batch.input_ids.flatten().tolist(), batch.labels.flatten().tolist()
    want = [
        "mask" if shown[i] == MASK_ID else "itself" if shown[i] == right[i] else "another"
        for i in batch.target_positions.tolist()
    ]
    kinds = shown_as(batch, MASK_ID)
    assert [name for i in range(len(want)) for name in SHOWN if kinds[name][i]] == want


def test_targets_of_one_kind(batch):
    parts = [targets_shown_as(batch, what, MASK_ID) for what in SHOWN]
    assert sum(part.n_targets for part in parts) == batch.n_targets
    for what, part in zip(SHOWN, parts, strict=True):
        assert torch.equal(part.input_ids, batch.input_ids)
        # the positions are those that a new batch finds in the labels
        found = Batch(part.input_ids, labels=part.labels).target_positions
        assert torch.equal(found, part.target_positions)
        assert shown_as(part, MASK_ID)[what].all()


def test_clear_errors(batch):
    with pytest.raises(ValueError, match="what must be one of mask, itself, another, got 'same'"):
        targets_shown_as(batch, "same", MASK_ID)
    with pytest.raises(ValueError, match="no labels: mask it first"):
        shown_as(Batch(batch.input_ids), MASK_ID)
